"""A traced network in operators that XNNPACK has, so that ExecuTorch hands it over whole."""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn

from framework.export.activations import written_out

aten = torch.ops.aten


def for_xnnpack(module: fx.GraphModule, *, for_int8: bool = False) -> fx.GraphModule:
    """Rewrites a network for one image, in place, where an operator that XNNPACK lacks has an equal in others.

    What is left out runs by itself in ExecuTorch, on a slow path, and cuts the network in two. With `for_int8` what has
    no arithmetic is rewritten, and what ExecuTorch could not cut at: an int8 step is too coarse for a variance, and the
    quantizer knows the others.
    """
    chosen = {each: REWRITTEN[each] for each in IN_INT8} if for_int8 else REWRITTEN
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target in chosen:
            with module.graph.inserting_before(node):
                chosen[node.target](node)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def unshared(module: fx.GraphModule) -> fx.GraphModule:
    """Gives each use of a parameter a copy of its own, in place: XNNPACK refuses an int8 kernel that is used twice."""
    used: set[str] = set()
    for node in module.graph.find_nodes(op="get_attr"):
        for user in list(node.users):
            owner, _, name = node.target.rpartition(".")
            if node.target in used:
                copy = nn.Parameter(getattr(module.get_submodule(owner), name).detach().clone(), requires_grad=False)
                own = f"{node.target.replace('.', '_')}_of_{user.name}"
                module.register_parameter(own, copy)
                with module.graph.inserting_before(user):
                    stored = module.graph.get_attr(own)
                stored.meta = dict(node.meta)
                user.replace_input_with(node, stored)
            used.add(node.target)
    module.recompile()
    return module


def _pieces(node: fx.Node) -> None:
    """Slices, as views: ExecuTorch would squeeze what unbind gives, which XNNPACK cannot, and run a split by itself."""
    given: tuple[Any, ...] = (*node.args, 0)  # the dimension is 0 where none is named
    x, size, dim = (given[0], 1, given[1]) if node.target is aten.unbind.int else given[:3]
    for part in list(node.users):
        if part.target is operator.getitem:
            start: Any = size * part.args[1]
            shape = list(part.meta["val"].shape)
            with node.graph.inserting_before(part):
                piece = _call(node, aten.slice.Tensor, x, dim, start, start + size)
                _replace(part, _call(node, aten.reshape.default, piece, shape))


def _average_pool(node: fx.Node) -> None:
    """A mean: of a pooling to one pixel, PyTorch makes one and a tensor with strides of its own."""
    given: Any = node.args
    if list(given[1]) == [1, 1] and given[0].meta["val"].dim() == 4:
        _replace(node, _call(node, aten.mean.dim, given[0], [2, 3], True))


def _layer_norm(node: fx.Node) -> None:
    """Of the last of four dimensions, by pointwise convolutions, whose kernel is the average over the channels."""
    absent: tuple[Any, ...] = (None, None, None, None, 1e-5)
    x, shape, weight, bias, eps = (*node.args, *absent[len(node.args) :])[:5]
    if len(shape) != 1 or x.meta["val"].dim() != 4:
        return
    channels = shape[0]
    average = _constant(node, torch.full((1, channels, 1, 1), 1 / channels))
    first = _call(node, aten.permute.default, x, [0, 3, 1, 2])
    centred = _call(node, aten.sub.Tensor, first, _call(node, aten.conv2d.default, first, average))
    squares = _call(node, aten.mul.Tensor, centred, centred)
    variance = _call(node, aten.conv2d.default, squares, average, _constant(node, torch.tensor([eps])))
    output = _call(node, aten.mul.Tensor, centred, _call(node, aten.rsqrt.default, variance))
    for apply, operand in ((aten.mul.Tensor, weight), (aten.add.Tensor, bias)):
        if operand is not None:
            output = _call(node, apply, output, _call(node, aten.reshape.default, operand, [1, channels, 1, 1]))
    _replace(node, _call(node, aten.permute.default, output, [0, 2, 3, 1]))


def _activation(node: fx.Node) -> None:
    """Without comparisons: at them ExecuTorch would cut the network, and in int8 it does not run such a file."""
    if (output := written_out(node, functools.partial(_call, node))) is not None:
        _replace(node, output)


def _scalar(node: fx.Node) -> None:
    """A number as a constant: ExecuTorch would convert it to float32 for every image."""
    given: Any = node.args
    if node.meta["val"].dtype == torch.float32 and isinstance(given[1], float | int):
        node.update_arg(1, _constant(node, torch.full((1,), given[1], dtype=torch.float32)))


REWRITTEN: Mapping[Any, Callable[[fx.Node], None]] = {
    aten.unbind.int: _pieces,
    aten.split.Tensor: _pieces,
    aten.adaptive_avg_pool2d.default: _average_pool,
    aten.layer_norm.default: _layer_norm,
    aten.softplus.default: _activation,
    aten.mish.default: _activation,
    aten.log_sigmoid.default: _activation,
    aten.celu.default: _activation,
    aten.add.Tensor: _scalar,
    aten.sub.Tensor: _scalar,
    aten.mul.Tensor: _scalar,
    aten.div.Tensor: _scalar,
}

IN_INT8 = (
    *(aten.unbind.int, aten.split.Tensor),
    *(aten.softplus.default, aten.mish.default, aten.log_sigmoid.default, aten.celu.default),
)
"""Those that are rewritten for int8 too."""


def _replace(node: fx.Node, by: fx.Node) -> None:
    """Gives the users of a node another one of the same value, which they are rewritten by."""
    by.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(by)


def _call(like: fx.Node, target: Any, *args: Any) -> fx.Node:
    """A new operator; a number of its arguments becomes a constant, as in `_scalar`."""
    given = [_constant(like, torch.full((1,), each)) if isinstance(each, float) else each for each in args]
    made = like.graph.call_function(target, tuple(given))
    made.meta["nn_module_stack"] = like.meta.get("nn_module_stack", {})
    return made


def _constant(node: fx.Node, value: torch.Tensor) -> fx.Node:
    module = node.graph.owning_module
    assert module is not None
    name = f"xnnpack_{len(dict(module.named_buffers()))}"
    module.register_buffer(name, value)
    return node.graph.get_attr(name)
