"""Residuals that look around by depthwise kernels of several reaches, and choose among maps by a gate.

A share of the maps is a part of their first half and the same part of their second: where maps come in mirrored pairs
(`architectures.mirror`), the two of a pair stay together.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from architectures.blur import Blur
from architectures.primitives import Activation, Norm, same_padding
from architectures.registry import ArchitectureError


class MixedDepthwise(nn.Module):
    """A share of the maps as they are, and one seen by a depthwise kernel of each of the `kernels` and `dilations`.

    (N, channels, H, W) -> the same shape, as MixConv (Tan and Le 2019, section 3), whose kernels differ in size. What a
    dilated one sees is averaged over 3x3 pixels first, so that those it skips count (Wang and Ji 2018, "Smoothed
    dilated convolutions for improved dense prediction", section 4, learn the average's weights).

    Raises ArchitectureError for channels that do not make equal shares of pairs, for kernels that are not odd, for
    dilations that are not positive, and for more of one than of the other.
    """

    def __init__(self, channels: int, kernels: Sequence[int], dilations: Sequence[int]) -> None:
        super().__init__()
        if len(kernels) != len(dilations):
            raise ArchitectureError(
                f"kernels {list(kernels)}, dilations {list(dilations)}: they have to be as many of each"
            )
        if any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise ArchitectureError(f"kernels {list(kernels)}: they have to be odd numbers, the pixels of a side")
        if min(dilations, default=1) < 1:
            raise ArchitectureError(f"dilations {list(dilations)}: they have to be positive numbers")
        self.shares = len(kernels) + 1
        if channels % (2 * self.shares):
            raise ArchitectureError(
                f"{channels} channels: they have to be a multiple of {2 * self.shares}, pairs for each of the "
                f"{self.shares} shares that the kernels {list(kernels)} make with the one that stays as it is"
            )
        share = channels // self.shares
        self.convs = nn.ModuleList(
            _depthwise(share, kernel, dilation) for kernel, dilation in zip(kernels, dilations, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The shares keep their places."""
        kept, *others = _of_halves([half.chunk(self.shares, 1) for half in x.chunk(2, 1)])
        seen = [kept, *(conv(share) for conv, share in zip(self.convs, others, strict=True))]
        return torch.cat(_of_halves([share.chunk(2, 1) for share in seen]), 1)


def _of_halves(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The first of all of them as one, then the second, and so on."""
    return [torch.cat(part, 1) for part in zip(*parts, strict=True)]


def _depthwise(channels: int, kernel: int, dilation: int) -> nn.Module:
    padding = same_padding(kernel, dilation)
    conv = nn.Conv2d(channels, channels, kernel, 1, padding, dilation, groups=channels, bias=False)
    return conv if dilation == 1 else nn.Sequential(Blur(channels, (1, 1, 1)), conv)


class GatedPointwise(nn.Module):
    """Two pointwise convolutions, one of which gates the other, and a third; (N, channels, H, W) -> the same.

    Dauphin et al. 2017, "Language modeling with gated convolutional networks", section 2, for a gate that is `act` of
    its input as in Shazeer 2020, "GLU variants improve Transformer", section 2.
    """

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, 2 * channels, 1)
        self.act = act()
        self.conv_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Each pixel by itself."""
        gates, values = _of_halves([half.chunk(2, 1) for half in self.conv_in(x).chunk(2, 1)])
        output: Tensor = self.conv_out(self.act(gates) * values)
        return output


class GatedResidual(nn.Module):
    """scale * x + body(x), for a body of `MixedDepthwise`, normalisation and `GatedPointwise`; (N, channels, H, W).

    `scale` is learnt, one number a map, from 1. Raises ArchitectureError as MixedDepthwise does.
    """

    def __init__(
        self, channels: int, *, kernels: Sequence[int], dilations: Sequence[int], norm: Norm, act: Activation
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            OrderedDict(
                mix=MixedDepthwise(channels, kernels, dilations),
                norm=norm(channels),
                gated=GatedPointwise(channels, act),
            )
        )
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The shape of x."""
        output: Tensor = self.scale[:, None, None] * x + self.body(x)
        return output
