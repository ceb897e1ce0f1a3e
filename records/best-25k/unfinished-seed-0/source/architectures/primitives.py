"""The layers that every network here is built from.

Names follow the field: a depthwise separable convolution is a depthwise one (`conv_dw`) and a pointwise one
(`conv_pw`), as in Howard et al. 2017, MobileNets, section 3.1.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]
"""Makes a normalisation layer for a number of channels, e.g. `nn.BatchNorm2d`."""

Activation = Callable[[], nn.Module]
"""Makes an activation, e.g. `nn.ReLU`."""


def same_padding(kernel: int, dilation: int = 1) -> int:
    """The padding that keeps height and width at stride 1: half the extent of the dilated kernel.

    Raises ValueError for an even kernel, for which no symmetric padding keeps the size.
    """
    if kernel % 2 == 0:
        raise ValueError(f"kernel {kernel} is even: only an odd kernel can keep the size of its input")
    return dilation * (kernel - 1) // 2


def conv_norm_act(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | None = None,
    norm: Norm | None = nn.BatchNorm2d,
    act: Activation | None = nn.ReLU,
) -> nn.Sequential:
    """A convolution, then normalisation and activation; (N, in_channels, H, W) -> (N, out_channels, H', W').

    `padding` defaults to `same_padding`. The convolution has a bias only where no normalisation follows.
    """
    padding = same_padding(kernel, dilation) if padding is None else padding
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=norm is None)
    return nn.Sequential(OrderedDict(conv=conv, **_norm_act(out_channels, norm, act)))


def separable_conv_norm_act(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    padding: int | None = None,
    norm: Norm | None = nn.BatchNorm2d,
    act: Activation | None = nn.ReLU,
) -> nn.Sequential:
    """A depthwise convolution and a pointwise one, then normalisation and activation.

    Shapes and arguments as in `conv_norm_act`; stride and dilation are the depthwise convolution's. Nothing stands
    between the two, as in Chollet 2017, Xception, section 4.7, where an activation there cost accuracy.
    """
    padding = same_padding(kernel, dilation) if padding is None else padding
    depthwise = nn.Conv2d(in_channels, in_channels, kernel, stride, padding, dilation, groups=in_channels, bias=False)
    pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=norm is None)
    return nn.Sequential(OrderedDict(conv_dw=depthwise, conv_pw=pointwise, **_norm_act(out_channels, norm, act)))


class Residual(nn.Module):
    """act(x + body(x)), for a body that keeps the shape and ends without activation (He et al. 2016, section 3.1)."""

    def __init__(self, body: nn.Module, act: Activation = nn.ReLU) -> None:
        super().__init__()
        self.body = body
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        output: Tensor = self.act(x + self.body(x))
        return output


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation of each pixel over its channels, (N, C, H, W) -> the same (Liu et al. 2022, ConvNeXt)."""

    def forward(self, input: Tensor) -> Tensor:
        """`layer_norm` over the last dimension of a channels-last view."""
        output = F.layer_norm(input.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return output.permute(0, 3, 1, 2)


def _norm_act(channels: int, norm: Norm | None, act: Activation | None) -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {}
    if norm is not None:
        layers["norm"] = norm(channels)
    if act is not None:
        layers["act"] = act()
    return layers
