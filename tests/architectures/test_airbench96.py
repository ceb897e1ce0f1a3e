"""The network of airbench96: counts, and an initialisation that passes its input on."""

import pytest
import torch
from torch import nn

from architectures import ArchitectureError, create
from architectures.airbench96 import ConvGroup, dirac_conv


def test_shape_and_parameters() -> None:
    network = create("airbench96")
    # whitening 24 * 12 + 24; convolutions without bias; a scale and a bias for each normalised channel; the head
    convs = sum(9 * w * (before + 2 * w) for before, w in ((24, 128), (128, 384), (384, 512)))
    assert sum(p.numel() for p in network.parameters()) == 312 + convs + 6 * (128 + 384 + 512) + 5120 == 9_918_776
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    small = create("airbench96", widths=[8, 8, 8], num_classes=3, in_channels=1)
    assert small(torch.randn(2, 1, 28, 28)).shape == (2, 3)
    with pytest.raises(ArchitectureError, match="3 positive numbers"):
        create("airbench96", widths=[8, 8])


def test_convolutions_begin_by_passing_their_input_on() -> None:
    x = torch.randn(2, 5, 8, 8)
    torch.testing.assert_close(dirac_conv(5, 9)(x)[:, :5], x)
    torch.testing.assert_close(dirac_conv(5, 5)(x), x)
    group = ConvGroup(5, 5, norm=nn.Identity, act=nn.Identity)
    torch.testing.assert_close(group(x), 2 * nn.functional.max_pool2d(x, 2))
