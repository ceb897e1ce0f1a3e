"""Whitening: what its filters give, and the network of the family that begins with it."""

import re

import pytest
import torch
from torch import nn

from architectures import ArchitectureError, create
from architectures.whitening import WhiteningConv2d


def correlated(images: int, channels: int = 3, size: int = 12) -> torch.Tensor:
    """Images (N, C, H, W) of smooth noise, whose neighbouring pixels and channels are alike, of zero mean."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(images, channels, size, size, generator=draw)
    smooth = noise + 0.5 * noise.roll(1, 2) + 0.5 * noise.roll(1, 3) + 0.5 * noise.roll(1, 1)
    return smooth - smooth.mean()


@pytest.mark.parametrize("channels", [1, 3])
def test_whitened_patches_have_the_identity_for_their_second_moments(channels: int) -> None:
    images = correlated(1200, channels)
    conv = WhiteningConv2d(channels)
    before = conv(images).transpose(0, 1).flatten(1)
    conv.initialize_from_images(images, eps=0.0)
    half = 4 * channels
    outputs = conv(images).transpose(0, 1).flatten(1)
    whole = outputs[:half] @ outputs[:half].T / outputs.shape[1]
    torch.testing.assert_close(whole, torch.eye(half), atol=1e-3, rtol=0)
    torch.testing.assert_close(outputs[half:], -outputs[:half])
    assert (before[:half] @ before[:half].T / before.shape[1] - torch.eye(half)).abs().max() > 0.1
    assert not conv.weight.requires_grad


def test_the_familys_network_trains_nothing_at_full_resolution() -> None:
    network = create("c1c2c3c40_whitened")
    assert sum(p.numel() for p in network.parameters()) == 189_322
    shapes = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _, x, y, name=name: shapes.update({name: tuple(y.shape)}))
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    assert [shapes[name] for name in ("c1", "c2", "c3", "c4")] == [
        (2, 24, 31, 31),
        (2, 48, 16, 16),
        (2, 96, 8, 8),
        (2, 320, 4, 4),
    ]
    assert not [name for name, p in network.c1.named_parameters() if p.requires_grad or p.grad is not None]
    assert not [m for m in network.c1.modules() if isinstance(m, nn.BatchNorm2d)]


def test_one_channel_has_a_third_of_the_filters() -> None:
    network = create("c1c2c3c40_whitened", in_channels=1, num_classes=3)
    assert network.get_submodule("c1.stem.conv").out_channels == 8
    assert network(torch.randn(2, 1, 28, 28)).shape == (2, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (48, 96)}, "widths [48, 96]: valid are 3 positive numbers, for C2 to C4"),
        ({"depths": (1, 1)}, "depths [1, 1]: valid are 3 numbers from 0 to 100, for C2 to C4"),
    ],
)
def test_wrong_options_are_named(options: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ArchitectureError, match=re.escape(message)):
        create("c1c2c3c40_whitened", **options)
