"""Residuals that look around by depthwise kernels of several reaches, and choose among maps by a gate.

A share of the maps is a part of their first half and the same part of their second: where maps come in mirrored pairs
(`architectures.mirror`), the two of a pair stay together.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from architectures.blur import Blur
from architectures.primitives import Activation, Norm, same_padding
from architectures.registry import ArchitectureError


def channel_axis(maps: Tensor) -> int:
    """Which axis in memory the channels of `maps` (N, C, H, W) are to be: the last one, on a GPU the first.

    With the channels before the images pointwise and depthwise convolutions are products of matrices as the maps lie
    there, and sums by map are over what lies together. A CPU's convolutions like them last.
    """
    return 3 if maps.device.type == "cpu" else 0


def as_they_lie(function: Callable[..., Tensor], *maps: Tensor) -> Tensor:
    """A function of each value of maps (N, C, H, W), written with the `channel_axis` first where it is.

    A compiler would take the order of the dimensions for that in memory, and rearrange the output for what follows.
    """
    if channel_axis(maps[0]):
        return function(*maps)
    return function(*(map.transpose(0, 1) for map in maps)).transpose(0, 1)


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
        """The shares keep their places; in memory the channels come by their `channel_axis`."""
        axis = channel_axis(x)
        maps = x.movedim(1, axis)
        shares = maps.reshape(*maps.shape[:axis], 2, self.shares, -1, *maps.shape[axis + 1 :])
        kept, *others = shares.unbind(axis + 1)
        given = [share.flatten(axis, axis + 1).movedim(axis, 1) for share in others]
        seen = [conv(share).movedim(1, axis) for conv, share in zip(self.convs, given, strict=True)]
        joined = torch.stack([kept, *(share.reshape(kept.shape) for share in seen)], axis + 1)
        return joined.reshape(maps.shape).movedim(axis, 1)


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
        self.conv_gate, self.conv_value, self.conv_out = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        """Each pixel by itself."""
        gated = as_they_lie(lambda gate, value: self.act(gate) * value, self.conv_gate(x), self.conv_value(x))
        output: Tensor = self.conv_out(gated)
        return output


class GatedResidual(nn.Module):
    """scale * x + body(x), for a body of `MixedDepthwise`, normalisation and `GatedPointwise`; (N, channels, H, W).

    `scale` is learnt, one number a map, from 1. In mixed precision the sum stays in float32, which it takes twice the
    memory for: in bfloat16 it was 0.7 points worse (docs/record.md, fifteenth session). Raises ArchitectureError as
    MixedDepthwise does.
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
        scale = self.scale[None, :, None, None]
        return as_they_lie(lambda change, scale, x: change + scale * x, self.body(x), scale, x)
