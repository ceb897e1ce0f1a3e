"""Adaptive max-pooling as the max-pooling that runtimes for devices have."""

from typing import Any

import torch
from torch import fx

aten = torch.ops.aten


def fixed_windows(module: fx.GraphModule) -> None:
    """Gives each adaptive max-pooling of a traced network its window as a number, in place.

    The window is the quotient of the two sizes. Where they do not divide, or where the indices of the maxima are read,
    the operator stays: a runtime that lacks it refuses the network by the operator's name.
    """
    for node in list(module.graph.nodes):
        if node.target is aten.adaptive_max_pool2d.default:
            _fix(node)
    module.graph.eliminate_dead_code()
    module.recompile()


def _fix(node: fx.Node) -> None:
    given: Any = node.args
    read = [each for each in node.users if each.users]
    sizes = [*zip(given[0].meta["val"].shape[-2:], given[1], strict=True)]
    if any(size % positions for size, positions in sizes) or [each.args[1] for each in read] != [0]:
        return
    window = [size // positions for size, positions in sizes]
    (maximum,) = read
    pooled = given[0]
    if window != [1, 1]:  # XNNPACK refuses a window of one position
        with node.graph.inserting_before(node):
            pooled = node.graph.call_function(aten.max_pool2d.default, (given[0], window))
        pooled.meta = maximum.meta | {"nn_module_stack": node.meta.get("nn_module_stack", {})}
    maximum.replace_all_uses_with(pooled)
