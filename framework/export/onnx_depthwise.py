"""Depthwise convolutions in the form that ONNX Runtime computes fast."""

import math
from pathlib import Path
from typing import Any

from torch import fx, ops
from torch.export import ExportedProgram

from framework.inspection.kernel_parts import TILES

aten = ops.aten

MULTIPLE = 4
"""ONNX Runtime has fast code for a depthwise convolution of a multiple of these (kChannelAlignment in its
nchwc_transformer.cc). With 42 channels of 16x16 pixels, a 7x7 kernel takes 21 times as long as with 44."""


def pad_channels(program: ExportedProgram) -> None:
    """Gives each depthwise convolution of a traced network the next multiple of MULTIPLE channels, in place.

    The added ones are 0 and are cut off again. Where they are one and the same for all images, in the kernel and the
    bias, ONNX Runtime folds them as it reads the file.
    """
    for node in list(program.graph.nodes):
        if node.target is aten.conv2d.default and len(node.args) == 7:
            _pad(node)
    program.graph_module.recompile()


def in_float(model: Path) -> list[str]:
    """The names of an ONNX file's nodes that stay in float32: with large depthwise kernels, all but dense layers.

    Large are those of more taps than the largest of TILES. In int8, ONNX Runtime takes several times as long for them
    as in float32, and what lies between them and the dense layers would change its kind twice.
    """
    import onnx

    graph = onnx.load(model).graph
    shapes = {each.name: [*each.dims] for each in graph.initializer}
    grouped = {
        node.name: shapes.get(node.input[1], [])
        for node in graph.node
        if node.op_type == "Conv" and any(each.name == "group" and each.i > 1 for each in node.attribute)
    }
    if not any(shape[1:2] == [1] and math.prod(shape[2:]) > TILES[-1] for shape in grouped.values()):
        return []
    products = {node.name for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")}
    return [node.name for node in graph.node if node.name not in products - grouped.keys()]


def _pad(node: fx.Node) -> None:
    given: Any = node.args
    x, weight, bias, *settings, groups = given
    channels, added = x.meta["val"].shape[1], -groups % MULTIPLE
    if not (groups == channels == weight.meta["val"].shape[0] > 1) or not added:
        return

    def call(like: fx.Node, number: int, target: Any, *args: Any) -> fx.Node:
        made, value = node.graph.call_function(target, args), like.meta["val"]
        axis = int(like in (x, node))  # of the channels
        made.meta = {"val": value.new_empty((*value.shape[:axis], number, *value.shape[axis + 1 :]))}
        return made

    with node.graph.inserting_before(node):
        cut = x.target is aten.slice.Tensor and x.args[1:] == (1, 0, groups)
        if cut and x.args[0].meta["val"].shape[1] == groups + added:
            wide = x.args[0]  # as the convolution before gives it
        else:
            wide = call(x, groups + added, aten.constant_pad_nd.default, x, [0, 0, 0, 0, 0, added])
        kernel = call(weight, groups + added, aten.constant_pad_nd.default, weight, [0, 0, 0, 0, 0, 0, 0, added])
        if bias is not None:
            bias = call(bias, groups + added, aten.constant_pad_nd.default, bias, [0, added])
        whole = call(node, groups + added, aten.conv2d.default, wide, kernel, bias, *settings, groups + added)
        node.replace_all_uses_with(call(node, groups, aten.slice.Tensor, whole, 1, 0, groups))
    node.graph.erase_node(node)
