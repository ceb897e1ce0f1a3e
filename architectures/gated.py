"""Residual blocks of depthwise convolutions of several kernel sizes, and a gate.

Where channels are split into groups, a group is a part of the first half of the channels and the same part of the
second, which keeps the pairs of `architectures.reflection` together.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from architectures.blur import Blur
from architectures.primitives import Activation, Norm, same_padding
from architectures.registry import ArchitectureError


def channel_dim(x: Tensor) -> int:
    """The dimension of memory that the channels of `x` (N, C, H, W) should have: the last on a CPU, else the first.

    In CNHW order, pointwise and depthwise convolutions are GEMMs without a copy, and sums over a channel are over
    contiguous memory. A CPU's convolutions are faster with channels last. While the network is exported it is 1: a
    runtime chooses its own order, and would run each change of ours.
    """
    if torch.compiler.is_exporting():
        return 1
    return 3 if x.device.type == "cpu" else 0


def apply_in_layout(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """An elementwise function of tensors (N, C, H, W), computed on CNHW views where `channel_dim` is 0.

    torch.compile would take the order of the dimensions for that in memory, and copy the output to it.
    """
    if channel_dim(inputs[0]) > 0:
        return function(*inputs)
    return function(*(x.transpose(0, 1) for x in inputs)).transpose(0, 1)


class MixedDepthwise(nn.Module):
    """Groups of channels: the first unchanged, each other one convolved depthwise with its kernel size and dilation.

    (N, channels, H, W) -> the same shape, as MixConv (Tan and Le 2019, section 3). A 3x3 average precedes a dilated
    convolution, so that the pixels between its taps count (Wang and Ji 2018, "Smoothed dilated convolutions for
    improved dense prediction", section 4, learn the weights of the average).

    Raises ArchitectureError for channels that do not divide into equal groups of pairs, even kernels, dilations below
    1, and kernels and dilations that differ in number.
    """

    def __init__(self, channels: int, kernels: Sequence[int], dilations: Sequence[int]) -> None:
        super().__init__()
        if len(kernels) != len(dilations):
            raise ArchitectureError(f"kernels {list(kernels)}, dilations {list(dilations)}: valid are as many of each")
        if any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise ArchitectureError(f"kernels {list(kernels)}: valid are odd numbers, in pixels")
        if min(dilations, default=1) < 1:
            raise ArchitectureError(f"dilations {list(dilations)}: valid are positive numbers")
        self.groups = len(kernels) + 1
        if channels % (2 * self.groups):
            raise ArchitectureError(
                f"{channels} channels: valid is a multiple of {2 * self.groups}, pairs for each of {self.groups} groups"
                f" (one unchanged, one for each of the kernels {list(kernels)})"
            )
        self.convs = nn.ModuleList(
            _depthwise(channels // self.groups, kernel, dilation)
            for kernel, dilation in zip(kernels, dilations, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Groups keep their places; the output lies in memory as `channel_dim` says."""
        dim = channel_dim(x)
        x = x.movedim(1, dim)
        halves = x.reshape(*x.shape[:dim], 2, self.groups, -1, *x.shape[dim + 1 :])
        unchanged, *others = torch.split(halves, 1, dim + 1)
        inputs = [group.flatten(dim, dim + 2).movedim(dim, 1) for group in others]
        outputs = [conv(group).movedim(1, dim) for conv, group in zip(self.convs, inputs, strict=True)]
        joined = torch.cat([unchanged, *(group.reshape(unchanged.shape) for group in outputs)], dim + 1)
        return joined.reshape(x.shape).movedim(dim, 1)


def _depthwise(channels: int, kernel: int, dilation: int) -> nn.Module:
    padding = same_padding(kernel, dilation)
    conv = nn.Conv2d(channels, channels, kernel, 1, padding, dilation, groups=channels, bias=False)
    return conv if dilation == 1 else nn.Sequential(Blur(channels, (1, 1, 1)), conv)


class GatedPointwise(nn.Module):
    """conv_out(act(conv_gate(x)) * conv_value(x)), all pointwise; (N, channels, H, W) -> the same shape.

    A gated linear unit (Dauphin et al. 2017, section 2), SwiGLU with SiLU for `act` (Shazeer 2020, section 2).
    """

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__()
        self.conv_gate, self.conv_value, self.conv_out = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        """Each pixel by itself."""
        gated = apply_in_layout(lambda gate, value: self.act(gate) * value, self.conv_gate(x), self.conv_value(x))
        output: Tensor = self.conv_out(gated)
        return output


class GatedResidual(nn.Module):
    """scale * x + body(x), where the body is `MixedDepthwise`, a normalisation and `GatedPointwise`; (N, C, H, W).

    `scale` is learnt, one number a channel, from 1. In mixed precision the sum stays in float32, at twice the memory:
    in bfloat16 the accuracy was 0.7 points lower (docs/findings.md). Raises ArchitectureError as MixedDepthwise does.
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
        """The same shape."""
        scale = self.scale[None, :, None, None]
        return apply_in_layout(lambda change, scale, x: change + scale * x, self.body(x), scale, x)
