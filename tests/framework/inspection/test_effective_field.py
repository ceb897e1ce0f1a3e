from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from architectures import create, names
from framework.errors import EmberfieldError
from framework.inspection.effective_field import effective_field, mirrored
from framework.inspection.last_feature_map import run_to_last_feature_map
from tests.framework.inspection.random_networks import narrow


def ones(convolutions: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolutions of ones in front of a global average: every path has the same weight."""
    layers: list[nn.Module] = [nn.Conv2d(1, 1, 3, stride, 1, bias=False) for _ in range(convolutions)]
    for layer in layers:
        nn.init.ones_(layer.weight)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))


@pytest.mark.parametrize("convolutions", [1, 3, 6])
def test_the_weights_of_uniform_kernels_are_trinomial_coefficients(convolutions: int) -> None:
    """Luo et al. 2016, section 2.2: they are those of the n-fold convolution of the kernel with itself."""
    found = effective_field(ones(convolutions), torch.randn(3, 1, 33, 33))
    line = np.ones(1)
    for _ in range(convolutions):
        line = np.convolve(line, np.ones(3))
    expected = np.zeros((33, 33))
    place = slice(16 - convolutions, 17 + convolutions)
    expected[place, place] = np.outer(line, line) / line.max() ** 2
    np.testing.assert_allclose(found.weights, expected, rtol=1e-5)
    assert found.theoretical == (2 * convolutions + 1,) * 2
    assert found.centre == (16, 16)
    assert found.size == pytest.approx(np.sqrt((expected > 0.0455).sum()))
    assert found.share == pytest.approx(found.size / (2 * convolutions + 1))


def test_the_share_shrinks_with_depth_as_the_paper_says() -> None:
    shares = [effective_field(ones(depth), torch.randn(1, 1, 97, 97)).share for depth in (4, 16, 40)]
    assert shares == sorted(shares, reverse=True)
    assert shares[2] < 0.6 < shares[0]


def test_the_weights_lie_in_the_theoretical_field_of_every_registered_network() -> None:
    for name in names():
        torch.manual_seed(0)  # of some narrow networks no channel is above 0 in the middle
        found = effective_field(narrow(name), torch.randn(1, 3, 160, 160))
        rows, columns = np.nonzero(found.weights)
        for pixels, centre, size in zip((rows, columns), found.centre, found.theoretical, strict=True):
            assert centre - size / 2 < pixels.min() and pixels.max() < centre + size / 2, name
        assert 0.05 < found.share < 1, name


class Functional(nn.Module):
    """No module but itself: two convolutions, the last feature map, a pooling and the classes, in one forward."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.randn(4, n, 3, 3)) for n in (3, 4))
        self.classes = nn.Parameter(torch.randn(5, 4))

    def forward(self, pixels: Tensor) -> Tensor:
        maps = F.relu(F.conv2d(F.conv2d(pixels, self.first, stride=2), self.second))
        return F.adaptive_avg_pool2d(maps, 1).flatten(1) @ self.classes.T


@pytest.mark.parametrize("make", [Functional, lambda: create("c1c2c3c40"), lambda: create("c1c2c3c40_reference")])
def test_the_last_feature_map_is_the_one_that_the_output_is_pooled_from(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network = make().eval()
    images = torch.randn(2, 3, 32, 32, requires_grad=True)
    maps, output, field = run_to_last_feature_map(network, images)
    assert maps.shape[2:] == field.map_size
    torch.testing.assert_close(output, network(images))
    (gradient,) = torch.autograd.grad(output.sum(), maps)
    assert gradient.shape == maps.shape
    torch.testing.assert_close(gradient, gradient.mean((2, 3), keepdim=True).expand_as(gradient))  # of an average


def test_the_network_is_left_as_it_is() -> None:
    network = create("c1c2c3c40").train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    effective_field(network, torch.randn(2, 3, 64, 64))
    assert network.training
    assert not network.c1.stem.conv._forward_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_network_for_one_size_refuses_another() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 2))
    assert effective_field(network, torch.randn(1, 3, 32, 32)).theoretical == (3, 3)
    with pytest.raises(EmberfieldError, match="does not run on an image of shape"):
        effective_field(network, torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize(("size", "made"), [((4, 6), (4, 6)), ((5, 7), (12, 18)), ((13, 1), (20, 6))])
def test_mirrored_keeps_the_image_in_the_middle(size: tuple[int, int], made: tuple[int, int]) -> None:
    images = torch.randn(2, 3, 4, 6)
    larger = mirrored(images, size)
    assert larger.shape == (2, 3, *made)
    top, left = (made[0] - 4) // 2, (made[1] - 6) // 2
    assert torch.equal(larger[:, :, top : top + 4, left : left + 6], images)
    reference = np.pad(images.numpy(), ((0, 0), (0, 0), (top, top), (left, left)), mode="symmetric")
    assert np.array_equal(larger.numpy(), reference)
