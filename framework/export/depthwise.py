"""Depthwise kernels without taps that meet no pixel, and large ones as sums: several times faster on devices."""

from typing import Any

import torch
from torch import Tensor, fx, nn

from framework.inspection.kernel_parts import kernel_parts, whole

aten = torch.ops.aten


def divide_kernels(module: fx.GraphModule) -> None:
    """Replaces the depthwise convolutions of a traced network by sums of `kernel_parts`, in place.

    The sum is the same number up to rounding. A convolution stays whole where a batch normalisation follows, which a
    converter folds into it, where its kernel is no constant, and where its padding is too narrow for a part.
    """
    for node in list(module.graph.nodes):
        if node.target is aten.conv2d.default and node.args[1].op == "get_attr":
            _divide(module, node)
    module.graph.eliminate_dead_code()
    module.recompile()


def _divide(module: fx.GraphModule, node: fx.Node) -> None:
    absent: tuple[Any, ...] = (None, None, None, [1, 1], [0, 0], [1, 1], 1)
    given: Any = (*node.args, *absent[len(node.args) :])
    x, weight, bias, stride, padding, dilation, groups = given
    kernel, size = _constant(module, weight.target), x.meta["val"].shape[1:]
    depthwise = groups == kernel.shape[0] == size[0]
    parts = kernel_parts(kernel.shape[2:], size[1:], stride, padding, dilation)
    followed = any(user.target is aten.batch_norm.default for user in node.users)
    if not depthwise or followed or parts == (whole(kernel.shape[2:]),):
        return
    total = None
    for rows, columns in parts:
        places = (..., slice(rows.start, rows.stop, rows.step), slice(columns.start, columns.stop, columns.step))
        taps = "_".join(str(n) for part in (rows, columns) for n in (part.start, part.stop, part.step))
        name = f"{weight.target.replace('.', '_')}_taps_{taps}"
        taken = nn.Parameter(kernel[places].detach().clone(), requires_grad=False)
        module.register_parameter(name, taken)  # a shared kernel has shared parts
        settings = (
            stride,
            [
                around - part.start * apart
                for around, part, apart in zip(padding, (rows, columns), dilation, strict=True)
            ],
            [part.step * apart for part, apart in zip((rows, columns), dilation, strict=True)],
            groups,
        )
        with node.graph.inserting_before(node):
            stored = node.graph.get_attr(name)
            stored.meta = {"val": weight.meta["val"][places]}
            term = node.graph.call_function(aten.conv2d.default, (x, stored, bias, *settings))
            added = term if total is None else node.graph.call_function(aten.add.Tensor, (total, term))
            term.meta = added.meta = dict(node.meta)
        total, bias = added, None
    assert total is not None
    node.replace_all_uses_with(total)


def _constant(module: nn.Module, name: str) -> Tensor:
    owner, _, last = name.rpartition(".")
    constant: Tensor = getattr(module.get_submodule(owner), last)
    return constant
