"""Networks in XNNPACK's operators compute the same; tests/framework/export/test_devices.py hands them over."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from framework.export.activations import WRITTEN_OUT
from framework.export.traced import folded
from framework.export.xnnpack import for_xnnpack, unshared
from tests.framework.export.test_formats import metadata

aten = torch.ops.aten
PIECES = {aten.unbind.int, aten.split.Tensor}
LACKING = PIECES | {aten.adaptive_avg_pool2d.default, aten.layer_norm.default}


class Gated(nn.Module):
    """Groups of channels taken apart and put together, a layer norm over channels, and a mean over pixels."""

    def __init__(self, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8, eps=eps, elementwise_affine=affine)
        self.conv = nn.Conv2d(3, 8, 3)
        if affine:
            nn.init.normal_(self.norm.weight)
            nn.init.normal_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * self.conv(x).permute(0, 2, 3, 1)
        first, second = x.reshape(*x.shape[:3], 2, 4).unbind(3)
        third, fourth = torch.split(first, 2, -1)
        x = self.norm(torch.cat([second.sigmoid(), fourth, third], 3)).permute(0, 3, 1, 2)
        return nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)


def called(module: torch.fx.GraphModule) -> set[object]:
    return {node.target for node in module.graph.nodes}


@pytest.mark.parametrize(("eps", "affine"), [(1e-5, True), (0.5, False)])
def test_a_rewritten_network_computes_the_same(eps: float, affine: bool) -> None:
    torch.manual_seed(0)
    module, example = folded(Gated(eps, affine).eval(), metadata())
    image = torch.rand_like(example)
    before = module(image)
    assert called(module) >= LACKING
    after = for_xnnpack(module)(image)
    assert called(module).isdisjoint(LACKING)
    assert not [node for node in module.graph.nodes if node.target is aten.mul.Tensor and 2 in node.args]
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
    assert not torch.equal(after, torch.zeros_like(after))


def test_for_int8_and_without_need_operators_stay() -> None:
    module, example = folded(Gated().eval(), metadata())
    before = module(example)
    for_xnnpack(module, for_int8=True)
    assert called(module) & LACKING == LACKING - PIECES
    torch.testing.assert_close(module(example), before)
    plain, example = folded(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.LayerNorm(12)).eval(), metadata())
    operators = called(plain)
    assert called(for_xnnpack(plain)) == operators


class Applied(nn.Module):
    """A function of a map."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 8, 3), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x)).flatten(1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.functional.adaptive_avg_pool2d(torch.split(x, 4, 1)[1], 1),
        lambda x: nn.functional.adaptive_avg_pool2d(nn.functional.layer_norm(x, [30]), 1),
        lambda x: nn.functional.layer_norm(torch.split(x, 4, 1)[1], [30]),
        lambda x: nn.functional.adaptive_avg_pool2d(x, 1).unbind(1)[2] * 2,
    ],
    ids=["pool of a piece", "pool of a norm", "norm of a piece", "piece of a pool"],
)
def test_what_follows_a_rewritten_operator_is_rewritten_too(function: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    module, example = folded(Applied(function).eval(), metadata())
    image = torch.rand_like(example)
    before = module(image)
    torch.testing.assert_close(for_xnnpack(module)(image), before, atol=1e-5, rtol=1e-5)
    assert called(module).isdisjoint(LACKING)


class Repeated(nn.Module):
    """A layer that is used three times, a large kernel twice, and one that is used once."""

    def __init__(self) -> None:
        super().__init__()
        self.repeated, self.large = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 7, padding=3, groups=3)
        self.head = nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.repeated, self.large, self.repeated, self.large, self.repeated):
            x = layer(x).relu()
        return self.head(x.mean((2, 3)))


def test_each_use_of_a_parameter_gets_its_own_and_the_network_computes_the_same() -> None:
    torch.manual_seed(0)
    module, example = folded(Repeated().eval(), metadata())
    before = module(example)

    def uses() -> list[str]:
        stored = module.graph.find_nodes(op="get_attr")
        return [node.target for node in stored for _ in node.users if "weight" in node.target or "bias" in node.target]

    assert len(set(uses())) < len(uses())
    assert unshared(module) is module
    assert len(set(uses())) == len(uses())
    assert torch.equal(module(example), before)


@pytest.mark.parametrize("for_int8", [False, True])
@pytest.mark.parametrize("activation", [nn.Mish(), nn.Softplus(), nn.LogSigmoid(), nn.CELU(0.5)], ids=str)
def test_no_activation_is_left_at_which_executorch_would_cut(activation: nn.Module, for_int8: bool) -> None:
    module, example = folded(nn.Sequential(nn.Conv2d(3, 4, 3), activation).eval(), metadata())
    before = module(example)
    assert called(for_xnnpack(module, for_int8=for_int8)).isdisjoint(WRITTEN_OUT)
    torch.testing.assert_close(module(example), before)
