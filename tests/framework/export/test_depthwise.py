"""Large depthwise kernels in parts compute the same; tests/framework/export/test_devices.py exports them."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from architectures import create
from framework.export.depthwise import divide_kernels
from framework.export.traced import folded
from framework.inspection.kernel_parts import TILES, kernel_parts
from tests.framework.export.test_formats import images, metadata

aten = torch.ops.aten


IMAGES = torch.randn(2, 6, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def traced(layer: nn.Module) -> Any:
    return torch.export.export(layer.double().eval(), (IMAGES,)).module(check_guards=False)


def kernels(module: torch.fx.GraphModule) -> list[tuple[int, ...]]:
    called: Any = [node.args for node in module.graph.nodes if node.target is aten.conv2d.default]
    return [tuple(args[1].meta["val"].shape[2:]) for args in called]


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 7, 8, 9, 12, 13, 31])
def test_parts_are_small_and_symmetric_and_have_each_tap_once(columns: int) -> None:
    for rows in range(1, 32):
        extents = rows, columns
        parts = kernel_parts(extents, (64, 64), (1, 1), extents, (1, 1))
        assert sorted(tap for part in parts for tap in itertools.product(*part)) == [
            *itertools.product(range(rows), range(columns))
        ]
        for part in parts:
            assert all(taps[0] + taps[-1] == extent - 1 for taps, extent in zip(part, extents, strict=True))
            assert math.prod(map(len, part)) <= TILES[-1]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_only_taps_that_meet_no_pixel_are_left_out(size: int, dilation: int, stride: int) -> None:
    """Of a kernel of one column, those whose gradient is 0 whatever the pixels; as many at both ends."""
    shapes = itertools.product(range(1, 8), range(1, 12))
    for extent, padding in [each for each in shapes if size + 2 * each[1] > dilation * (each[0] - 1)]:
        axes = ((extent, 1), (size, 1), (stride, 1), (padding, 0), (dilation, 1))
        kept = {row for rows, _ in kernel_parts(*axes) for row in rows}
        kernel = torch.zeros(1, 1, extent, 1, requires_grad=True)
        image = torch.ones(1, 1, size, 1)
        conv2d(image, kernel, None, (stride, 1), (padding, 0), (dilation, 1)).sum().backward()
        assert kernel.grad is not None
        met = {row for row in range(extent) if kernel.grad[0, 0, row, 0]}
        assert met <= kept and kept == {extent - 1 - row for row in kept}
        narrow = min(kept) == padding // dilation
        assert narrow or len(kept) < 3 or met & {min(kept), max(kept)}


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({"kernel_size": 7, "padding": 3}, [(4, 2), (4, 5), (3, 7)]),
        ({"kernel_size": 7, "padding": 9, "dilation": 3, "bias": False}, [(4, 2), (4, 5), (3, 7)]),
        ({"kernel_size": 7, "padding": (4, 2), "stride": (2, 1), "dilation": (1, 2)}, [(4, 2), (4, 5), (3, 7)]),
        ({"kernel_size": (9, 5), "padding": (4, 2)}, [(5, 5), (4, 5)]),
        ({"kernel_size": 11, "padding": 5}, [(2, 11)] * 5 + [(1, 2), (1, 9)]),
        ({"kernel_size": 8, "padding": 4}, [(2, 8), (2, 8), (4, 2), (4, 6)]),
        ({"kernel_size": 5, "padding": 18, "dilation": 9}, [(3, 3)]),
        ({"kernel_size": 3, "padding": 16, "dilation": 16}, [(1, 1)]),
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


def test_a_kernel_shared_by_maps_of_other_sizes_has_parts_for_each() -> None:
    layer = nn.Conv2d(6, 6, 9, padding=12, dilation=3, groups=6)
    network = nn.Sequential(layer, nn.AvgPool2d(2), layer, nn.AvgPool2d(2), layer)
    module = traced(network)
    divide_kernels(module)
    torch.testing.assert_close(module(IMAGES), network(IMAGES), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 6, 5, padding=2, groups=6),
        nn.Conv2d(6, 6, 7, padding=3, groups=3),
        nn.Conv2d(6, 12, 7, padding=3, groups=6),
        nn.Conv2d(6, 6, 7, padding=0, groups=6),  # a part begins at row 1
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
    assert (7, 7) not in kernels(module) and (4, 5) in kernels(module)
    pixels = torch.from_numpy(images(1)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        torch.testing.assert_close(module(pixels), network((pixels - mean) / std), rtol=1e-4, atol=1e-4)
