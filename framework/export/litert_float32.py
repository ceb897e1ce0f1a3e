"""What LiteRT has to compute in float32 in a network in int8: normalisations and activations with an exponential."""

import functools
from typing import Any

from torch import fx, ops

from framework.export.activations import WRITTEN_OUT, written_out

aten = ops.aten

SCOPE = "InFloat32"
"""The scope of such a function in the converted network, by which the quantiser finds it."""


def in_float32(module: fx.GraphModule) -> None:
    """Puts the normalisations of a traced network, and its activations with an exponential, into SCOPE, in place.

    e^x has the range of its largest: in int8, next to it, what is negative would be lost.

    Group and instance normalisations become layer normalisations: the channels of a group, for instance normalisation
    each channel, become one dimension with the pixels. What has running statistics stays as it is. In int8 a variance,
    whose range is that of a square, would have too few steps, and so would x / deviation, from which LiteRT subtracts
    mean / deviation.
    """
    for node in list(module.graph.nodes):
        if node.target is aten.layer_norm.default:
            _enter(node, node)
        elif node.target in WRITTEN_OUT:
            with node.graph.inserting_before(node):
                output = written_out(node, functools.partial(_call, node))
            _enter(node, node)
            if output is not None:
                node.replace_all_uses_with(output)
        elif node.target is aten.group_norm.default:
            _replace(node, *_given(node, 5, (None, None, 1e-5)))
        elif node.target is aten.instance_norm.default:
            x, weight, bias, _, _, of_input, _, eps = _given(node, 8, (None, None, None, None, True, 0.1, 1e-5))
            if of_input:
                _replace(node, x, node.meta["val"].shape[1], weight, bias, eps)
    module.graph.eliminate_dead_code()
    module.recompile()


def _given(node: fx.Node, number: int, defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    """The first arguments of a call, of which `defaults` are the last."""
    given = node.args[:number]
    return (*given, *defaults[len(defaults) - number + len(given) :])


def _replace(node: fx.Node, x: fx.Node, groups: int, weight: Any, bias: Any, eps: float) -> None:
    shape = [*node.meta["val"].shape]  # as that of x, which may be new here
    size = node.meta["val"][0].numel() // groups
    call = functools.partial(_call, node)

    with node.graph.inserting_before(node):
        outside = node.graph.call_function(aten.reshape.default, (x, shape))  # a change of order before it is in int8
        outside.meta = dict(node.meta)
        grouped = call(aten.reshape.default, outside, [shape[0], groups, size])
        output = call(aten.reshape.default, call(aten.layer_norm.default, grouped, [size], None, None, eps), shape)
        for apply, operand in ((aten.mul.Tensor, weight), (aten.add.Tensor, bias)):
            if operand is not None:
                by_channel = call(aten.reshape.default, operand, [1, shape[1], *(1 for _ in shape[2:])])
                output = call(apply, output, by_channel)
    node.replace_all_uses_with(output)


def _call(like: fx.Node, target: Any, *args: Any) -> fx.Node:
    made = like.graph.call_function(target, args)
    _enter(made, like)
    return made


def _enter(node: fx.Node, like: fx.Node) -> None:
    """Puts a node into SCOPE, as if a module of that class had called it."""
    node.meta["nn_module_stack"] = {**like.meta.get("nn_module_stack", {}), SCOPE: (SCOPE, SCOPE)}
