"""Normalisations as LiteRT takes them; tests/framework/export/test_devices.py runs them in int8."""

import pytest
import torch
from torch import Tensor, nn

from framework.export.litert_norms import SCOPE, exact_norms
from framework.export.traced import folded
from tests.framework.export.test_formats import metadata

aten = torch.ops.aten
OTHERS = {aten.group_norm.default, aten.instance_norm.default}


class Normalized(nn.Module):
    """A convolution far from 0, a normalisation, and averages of what is positive."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3), norm, nn.Linear(72, 10)
        for parameter in norm.parameters():
            nn.init.normal_(parameter)
        nn.init.constant_(self.conv.bias, 4.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.avg_pool2d(self.norm(self.conv(x)).relu(), 10).flatten(1))


class ByFunction(nn.Module):
    """A normalisation without a module of its own."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        if not self.groups:
            return nn.functional.layer_norm(x, x.shape[1:])
        return nn.functional.group_norm(x, self.groups)


NORMS = [
    nn.GroupNorm(2, 8, eps=0.5),
    nn.GroupNorm(1, 8, affine=False),
    nn.InstanceNorm2d(8),
    nn.InstanceNorm2d(8, affine=True),
    ByFunction(0),
    ByFunction(4),
]


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_every_normalisation_becomes_a_layer_norm_in_its_scope_and_computes_the_same(norm: nn.Module) -> None:
    module, example = folded(Normalized(norm).eval(), metadata())
    image = torch.rand_like(example)
    before = module(image)
    exact_norms(module)
    called = [node for node in module.graph.nodes if node.op == "call_function"]
    (found,) = (node for node in called if node.target is aten.layer_norm.default)
    assert SCOPE in found.meta["nn_module_stack"]
    assert OTHERS.isdisjoint(node.target for node in called)
    assert all(SCOPE not in node.meta.get("nn_module_stack", {}) for node in called if node.target is aten.relu.default)
    torch.testing.assert_close(module(image), before)


def test_one_with_running_statistics_stays() -> None:
    module, _ = folded(Normalized(nn.InstanceNorm2d(8, track_running_stats=True)).eval(), metadata())
    before = [node.target for node in module.graph.nodes]
    exact_norms(module)
    assert [node.target for node in module.graph.nodes] == before


def test_one_behind_another_is_replaced_too() -> None:
    module, example = folded(Normalized(nn.Sequential(*NORMS[:3])).eval(), metadata())
    image = torch.rand_like(example)  # no rounding of a flat map is divided by almost nothing
    before = module(image)
    exact_norms(module)
    assert [node.target for node in module.graph.nodes].count(aten.layer_norm.default) == 3
    torch.testing.assert_close(module(image), before, atol=1e-5, rtol=1e-4)
