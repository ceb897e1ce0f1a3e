"""Residual networks for small images: the basic blocks of He et al. 2016, "Deep Residual Learning", and a small stem.

The blocks and widths are those of table 1 (ResNet-18), for ImageNet. The stem is the one for CIFAR-10 in section 4.2, a
3x3 convolution of stride 1 without pooling. That is what the field calls ResNet-18 on CIFAR-10: 11,173,962 parameters.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from architectures.c1c2c3c40 import check_depths, check_widths, pooled_head
from architectures.primitives import Activation, Norm, conv_norm_act
from architectures.registry import register


class BasicBlock(nn.Module):
    """act(shortcut(x) + body(x)), body two 3x3 convolutions; (N, C, H, W) -> (N, out_channels, H / stride, W / stride).

    The shortcut is the identity, or a 1x1 convolution where the shape changes: option B of He et al. 2016, section 3.3.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, norm: Norm, act: Activation) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_norm_act(in_channels, out_channels, stride=stride, norm=norm, act=act),
            conv_norm_act(out_channels, out_channels, norm=norm, act=None),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = conv_norm_act(in_channels, out_channels, kernel=1, stride=stride, norm=norm, act=None)
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        """An odd size is rounded up where it is halved."""
        output: Tensor = self.act(self.shortcut(x) + self.body(x))
        return output


@register("resnet18")
def resnet18(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (64, 128, 256, 512),
    depths: Sequence[int] = (2, 2, 2, 2),
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """ResNet-18 with a 3x3 stem and no pooling but the global one, for images of 32x32 or 64x64 pixels.

    Images (N, in_channels, H, W) to logits (N, num_classes). `widths` and `depths` are the channels and the blocks of
    the four stages, of which all but the first begin by halving the size. Raises ArchitectureError for a wrong number
    of widths or depths.
    """
    check_widths(widths, blocks=4)
    check_depths(depths, blocks=4)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem=conv_norm_act(in_channels, widths[0], norm=norm, act=act),
    )
    channels = widths[0]
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        blocks = nn.Sequential()
        for block in range(depth):
            stride = 2 if stage > 1 and block == 0 else 1
            blocks.append(BasicBlock(channels, width, stride=stride, norm=norm, act=act))
            channels = width
        layers[f"layer{stage}"] = blocks
    layers["head"] = pooled_head(channels, num_classes)
    return nn.Sequential(layers)
