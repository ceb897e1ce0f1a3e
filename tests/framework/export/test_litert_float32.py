"""Normalisations and activations as LiteRT takes them; tests/framework/export/test_devices.py runs them in int8."""

import pytest
import torch
from torch import Tensor, nn

from framework.export.litert_float32 import SCOPE, in_float32
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


class Activated(nn.Module):
    """A convolution of a wide range, an activation, and averages."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.activation, self.head = nn.Conv2d(3, 8, 3), activation, nn.Linear(72, 10)
        nn.init.normal_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.avg_pool2d(self.activation(self.conv(x)), 10).flatten(1))


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

WRITTEN_OUT = [
    *(nn.ELU(), nn.CELU(), nn.CELU(0.5), nn.SELU()),
    *(nn.Mish(), nn.LogSigmoid(), nn.Softplus()),
]
"""Activations with an exponential."""


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_every_normalisation_becomes_a_layer_norm_in_its_scope_and_computes_the_same(norm: nn.Module) -> None:
    module, example = folded(Normalized(norm).eval(), metadata())
    image = torch.rand_like(example)
    before = module(image)
    in_float32(module)
    called = [node for node in module.graph.nodes if node.op == "call_function"]
    (found,) = (node for node in called if node.target is aten.layer_norm.default)
    assert SCOPE in found.meta["nn_module_stack"]
    assert OTHERS.isdisjoint(node.target for node in called)
    assert all(SCOPE not in node.meta.get("nn_module_stack", {}) for node in called if node.target is aten.relu.default)
    torch.testing.assert_close(module(image), before)


def test_one_with_running_statistics_stays() -> None:
    module, _ = folded(Normalized(nn.InstanceNorm2d(8, track_running_stats=True)).eval(), metadata())
    before = [node.target for node in module.graph.nodes]
    in_float32(module)
    assert [node.target for node in module.graph.nodes] == before


def test_one_behind_another_is_replaced_too() -> None:
    module, example = folded(Normalized(nn.Sequential(*NORMS[:3])).eval(), metadata())
    image = torch.rand_like(example)  # no rounding of a flat map is divided by almost nothing
    before = module(image)
    in_float32(module)
    assert [node.target for node in module.graph.nodes].count(aten.layer_norm.default) == 3
    torch.testing.assert_close(module(image), before, atol=1e-5, rtol=1e-4)


def scopes(module: torch.fx.GraphModule) -> list[bool]:
    """Whether each operator is in the scope, in order."""
    called = [node for node in module.graph.nodes if node.op == "call_function"]
    return [SCOPE in node.meta.get("nn_module_stack", {}) for node in called]


@pytest.mark.parametrize("activation", WRITTEN_OUT, ids=str)
def test_an_activation_with_an_exponential_is_in_the_scope_alone_and_computes_the_same(activation: nn.Module) -> None:
    module, example = folded(Activated(activation).eval(), metadata())
    image, before = torch.rand_like(example), len(scopes(module))
    expected = module(image)
    in_float32(module)
    assert scopes(module).count(False) == before - 1
    torch.testing.assert_close(module(image), expected)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.SiLU(), nn.GELU(), nn.Hardswish(), nn.LeakyReLU()], ids=str)
def test_another_one_stays_in_int8(activation: nn.Module) -> None:
    module, _ = folded(Activated(activation).eval(), metadata())
    in_float32(module)
    assert not any(scopes(module))
