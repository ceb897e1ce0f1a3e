"""Adaptive max-pooling with fixed windows is the same to the bit; tests/framework/export/test_devices.py exports it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from framework.export.traced import folded
from tests.framework.export.test_formats import metadata

aten = torch.ops.aten


class Maximum(nn.Module):
    """Logits that are maxima of the pixels, or where these lie."""

    def __init__(self, size: Any, index: int = 0) -> None:
        super().__init__()
        self.size, self.index = size, index

    def forward(self, x: Tensor) -> Tensor:
        found = nn.functional.adaptive_max_pool2d(x, self.size, return_indices=True)
        return found[self.index].flatten(1)


def called(module: torch.fx.GraphModule) -> set[object]:
    return {node.target for node in module.graph.nodes}


@pytest.mark.parametrize("size", [1, 4, (8, 1), (None, 2), 32])
def test_equal_windows_are_fixed_and_give_the_same_maxima(size: Any) -> None:
    torch.manual_seed(0)
    described = metadata()
    mean, std = (torch.tensor(each).reshape(-1, 1, 1) for each in (described.mean, described.std))
    module, example = folded(Maximum(size), described)
    assert called(module).isdisjoint({aten.adaptive_max_pool2d.default, aten.max_pool2d_with_indices.default})
    image = torch.rand_like(example)
    corner = image.clone()
    corner[..., -1, -1] = 2
    for pixels in (image, corner):
        assert torch.equal(module(pixels), Maximum(size)((pixels - mean) / std))
    assert not torch.equal(module(image), module(corner))


@pytest.mark.parametrize(("size", "index"), [(3, 0), ((4, 5), 0), (1, 1)])
def test_windows_of_several_sizes_and_indices_stay(size: Any, index: int) -> None:
    module, _ = folded(Maximum(size, index), metadata())
    assert aten.adaptive_max_pool2d.default in called(module)
