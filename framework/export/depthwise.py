"""Large depthwise kernels as sums of smaller ones, which runtimes for devices compute several times faster."""

from typing import Any

import torch
from torch import Tensor, fx, nn

from framework.inspection.kernel_parts import kernel_parts

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
    kernel = _constant(module, weight.target)
    depthwise = groups == kernel.shape[0] == x.meta["val"].shape[1]
    parts = kernel_parts(*kernel.shape[2:])
    followed = any(user.target is aten.batch_norm.default for user in node.users)
    if not depthwise or len(parts) == 1 or followed or parts[-1].start * dilation[0] > padding[0]:
        return
    total = None
    for part in parts:
        name = f"{weight.target.replace('.', '_')}_from_row_{part.start}"  # a shared kernel has shared parts
        rows = kernel[:, :, part.start : part.stop : part.step].detach().clone()
        module.register_parameter(name, nn.Parameter(rows, requires_grad=False))
        around, apart = padding[0] - part.start * dilation[0], part.step * dilation[0]
        with node.graph.inserting_before(node):
            stored = node.graph.get_attr(name)
            stored.meta = {"val": weight.meta["val"][:, :, part.start : part.stop : part.step]}
            settings = (stride, [around, padding[1]], [apart, dilation[1]], groups)
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
