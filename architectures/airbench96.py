"""The network of airbench96, a teacher of millions of parameters that trains in a minute of a GPU.

After Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498), sections 3.1 to 3.3, and the
form of it that reaches 96.05 % (airbench96.py at KellerJordan/cifar10-airbench): frozen 2x2 whitening, then three
groups of three convolutions, the last two of which are a residual. Here the scales of the normalisations are trained,
the whitening's bias to the end, and the normalisations keep PyTorch's momentum.
"""

import itertools
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from architectures.c1c2c3c40 import check_widths
from architectures.primitives import Activation, Norm
from architectures.registry import register
from architectures.whitening import WhiteningConv2d


def dirac_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 3x3 convolution whose first filters pass the input on, one a channel, the others random (section 3.3)."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:in_channels])
    return conv


class ConvGroup(nn.Module):
    """A convolution, pooling, then act(x + body(x)) of two more; (N, C, H, W) -> (N, out_channels, H / 2, W / 2)."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: Norm, act: Activation) -> None:
        super().__init__()
        conv = dirac_conv(in_channels, out_channels)
        self.stem = nn.Sequential(OrderedDict(conv=conv, pool=nn.MaxPool2d(2), norm=norm(out_channels), act=act()))
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [dirac_conv(out_channels, out_channels), norm(out_channels), act()]
        self.body = nn.Sequential(*layers[:-1])
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        """An odd size is rounded down where it is halved."""
        x = self.stem(x)
        output: Tensor = self.act(x + self.body(x))
        return output


class ScaledLinear(nn.Linear):
    """A linear layer without a bias, times a constant: (N, in_features) -> (N, out_features)."""

    def __init__(self, in_features: int, out_features: int, scale: float) -> None:
        super().__init__(in_features, out_features, bias=False)
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        """Small logits at the start, whatever the width."""
        return self.scale * super().forward(input)


@register("airbench96")
def airbench96(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (128, 384, 512),
    head_scale: float = 1 / 9,
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.GELU,
) -> nn.Sequential:
    """Frozen whitening, three groups of three convolutions with max-pooling, and a scaled linear layer.

    Images (N, in_channels, H, W) of at least 16x16 pixels to logits (N, num_classes); `widths` are the channels of the
    groups. Raises ArchitectureError unless there are three positive widths.
    """
    check_widths(widths, blocks=3)
    whitening = WhiteningConv2d(in_channels)
    channels = itertools.pairwise((whitening.out_channels, *widths))
    groups = {f"group{number}": ConvGroup(*pair, norm=norm, act=act) for number, pair in enumerate(channels, start=1)}
    return nn.Sequential(
        OrderedDict(
            whitening=whitening,
            act=act(),
            **groups,
            pool=nn.AdaptiveMaxPool2d(1),
            flatten=nn.Flatten(),
            head=ScaledLinear(widths[-1], num_classes, head_scale),
        )
    )
