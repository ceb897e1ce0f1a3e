"""Residuals that look around by depthwise kernels of several reaches, and choose among maps by a gate."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from architectures.primitives import Activation, Norm, same_padding
from architectures.registry import ArchitectureError


class MixedDepthwise(nn.Module):
    """A share of the maps as they are, then one seen by a 3x3 depthwise kernel of each of the `dilations`.

    (N, channels, H, W) -> the same shape. Tan and Le 2019, "MixConv", section 3, have kernels of several sizes side by
    side; these have one size, so that all reaches cost the same.

    Raises ArchitectureError for channels that do not make equal shares, and for a dilation that is not positive.
    """

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        if min(dilations, default=1) < 1:
            raise ArchitectureError(f"dilations {list(dilations)}: they have to be positive numbers")
        self.shares = len(dilations) + 1
        if channels % self.shares:
            raise ArchitectureError(
                f"{channels} channels: they have to be a multiple of {self.shares}, the shares that the dilations "
                f"{list(dilations)} make with the one that stays as it is"
            )
        share = channels // self.shares
        self.convs = nn.ModuleList(
            nn.Conv2d(share, share, 3, 1, same_padding(3, dilation), dilation, groups=share, bias=False)
            for dilation in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """The shares keep their places."""
        kept, *others = x.chunk(self.shares, 1)
        return torch.cat([kept, *(conv(share) for conv, share in zip(self.convs, others, strict=True))], 1)


class GatedPointwise(nn.Module):
    """Two pointwise convolutions, the first of which gates the second, and a third; (N, channels, H, W) -> the same.

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
        gate, value = self.conv_in(x).chunk(2, 1)
        output: Tensor = self.conv_out(self.act(gate) * value)
        return output


class GatedResidual(nn.Module):
    """scale * x + body(x), for a body of `MixedDepthwise`, normalisation and `GatedPointwise`; (N, channels, H, W).

    `scale` is learnt, one number a map, from 1. Raises ArchitectureError as MixedDepthwise does.
    """

    def __init__(self, channels: int, *, dilations: Sequence[int], norm: Norm, act: Activation) -> None:
        super().__init__()
        self.body = nn.Sequential(
            OrderedDict(
                mix=MixedDepthwise(channels, dilations), norm=norm(channels), gated=GatedPointwise(channels, act)
            )
        )
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The shape of x."""
        output: Tensor = self.scale[:, None, None] * x + self.body(x)
        return output
