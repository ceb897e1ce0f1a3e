"""Activations in other operators are the same numbers."""

import functools
from typing import Any

import pytest
import torch
from torch import fx, nn

from framework.export.activations import WRITTEN_OUT, written_out

aten = torch.ops.aten
PIXELS = torch.tensor([-200.0, -90.0, -20.0, -1.0, -1e-4, 0.0, 1e-4, 1.0, 17.0, 21.0, 90.0, 200.0])
COMPARISONS = {aten.where.self, aten.gt.Scalar, aten.ge.Scalar, aten.gt.Tensor, aten.ge.Tensor}
ACTIVATIONS = [
    *(nn.ELU(), nn.ELU(0.3), nn.CELU(), nn.CELU(0.5), nn.SELU(), nn.Mish(), nn.LogSigmoid()),
    *(nn.Softplus(), nn.Softplus(beta=3.0), nn.Softplus(threshold=50.0), nn.Softplus(2.0, 17.0)),
]


def written(activation: nn.Module) -> fx.GraphModule:
    """An activation as torch.export traces it, written out where it can be."""
    module = torch.export.export(activation, (PIXELS,)).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)

    def call(graph: fx.Graph, target: Any, *args: Any) -> fx.Node:
        return graph.call_function(target, args)

    for node in [node for node in module.graph.nodes if node.target in WRITTEN_OUT]:
        with module.graph.inserting_before(node):
            if (output := written_out(node, functools.partial(call, module.graph))) is not None:
                node.replace_all_uses_with(output)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_it_is_the_same_without_comparison_and_overflow(activation: nn.Module) -> None:
    module = written(activation)
    called = {node.target for node in module.graph.nodes}
    assert called.isdisjoint(WRITTEN_OUT) and called.isdisjoint(COMPARISONS)
    torch.testing.assert_close(module(PIXELS), activation(PIXELS), atol=2e-6, rtol=2e-6)


def test_a_softplus_whose_threshold_shows_stays() -> None:
    module = written(nn.Softplus(threshold=2.0))
    assert aten.softplus.default in {node.target for node in module.graph.nodes}
