"""Large depthwise kernels in parts compute the same; tests/framework/export/test_devices.py exports them."""

from typing import Any

import pytest
import torch
from torch import nn

from architectures import create
from framework.export.depthwise import divide_kernels
from framework.export.traced import folded
from framework.inspection.kernel_parts import FAST_TAPS, kernel_parts
from tests.framework.export.test_formats import images, metadata

aten = torch.ops.aten


IMAGES = torch.randn(2, 6, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def traced(layer: nn.Module) -> Any:
    return torch.export.export(layer.double().eval(), (IMAGES,)).module(check_guards=False)


def kernels(module: torch.fx.GraphModule) -> list[tuple[int, ...]]:
    called: Any = [node.args for node in module.graph.nodes if node.target is aten.conv2d.default]
    return [tuple(args[1].meta["val"].shape[2:]) for args in called]


@pytest.mark.parametrize("columns", [1, 3, 5, 7, 9, 12, 13])
def test_parts_are_small_and_symmetric_and_have_each_row_once(columns: int) -> None:
    for rows in range(1, 40):
        parts = kernel_parts(rows, columns)
        assert sorted(row for part in parts for row in part) == [*range(rows)]
        assert all(part[0] + part[-1] == rows - 1 for part in parts)
        if len(parts) > 1:
            assert all(len(part) * columns <= FAST_TAPS for part in parts) and rows * columns > FAST_TAPS
        else:
            assert rows * columns <= FAST_TAPS or rows % 2 == 0 or columns > 12


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({"kernel_size": 7, "padding": 3}, [(2, 7), (2, 7), (3, 7)]),
        ({"kernel_size": 7, "padding": 9, "dilation": 3, "bias": False}, [(2, 7), (2, 7), (3, 7)]),
        ({"kernel_size": 7, "padding": (4, 0), "stride": (2, 1), "dilation": (1, 2)}, [(2, 7), (2, 7), (3, 7)]),
        ({"kernel_size": (9, 5), "padding": (4, 2)}, [(2, 5), (2, 5), (5, 5)]),
        ({"kernel_size": 11, "padding": 5}, [(2, 11)] * 5 + [(1, 11)]),
    ],
)
def test_a_large_kernel_is_a_sum_of_smaller_ones(settings: dict[str, Any], sizes: list[tuple[int, int]]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6, groups=6, **settings)
    module = traced(layer)
    divide_kernels(module)
    assert kernels(module) == sizes
    torch.testing.assert_close(module(IMAGES), layer(IMAGES), rtol=1e-12, atol=1e-12)


def test_a_shared_kernel_has_shared_parts() -> None:
    layer = nn.Conv2d(6, 6, 7, padding=3, groups=6)
    module = traced(nn.Sequential(layer, layer))
    before = len([*module.parameters()])
    divide_kernels(module)
    assert len(kernels(module)) == 6 and len([*module.parameters()]) == before + 3
    torch.testing.assert_close(module(IMAGES), layer(layer(IMAGES)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 6, 5, padding=2, groups=6),
        nn.Conv2d(6, 6, 7, padding=3, groups=3),
        nn.Conv2d(6, 12, 7, padding=3, groups=6),
        nn.Conv2d(6, 6, 7, padding=1, groups=6),  # the middle rows begin at row 2
        nn.Conv2d(6, 6, 8, padding=4, groups=6),
        nn.Sequential(nn.Conv2d(6, 6, 7, padding=3, groups=6), nn.BatchNorm2d(6)),
    ],
)
def test_others_stay_whole(layer: nn.Module) -> None:
    module = traced(layer)
    before = kernels(module)
    divide_kernels(module)
    assert kernels(module) == before


def test_a_published_network_computes_the_same() -> None:
    network = create("c1c2c3c40_gated_mirror_small", pretrained=True)
    described = metadata()
    mean, std = (torch.tensor(each).reshape(-1, 1, 1) for each in (described.mean, described.std))
    module, _ = folded(network, described)
    assert (7, 7) not in kernels(module) and (3, 7) in kernels(module)
    pixels = torch.from_numpy(images(1)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        torch.testing.assert_close(module(pixels), network((pixels - mean) / std), rtol=1e-4, atol=1e-4)
