"""A small network for studies of one layer: fewer than 20,000 parameters for 28x28 grey images and ten classes."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from architectures.c1c2c3c40 import check_widths, pooled_head
from architectures.primitives import Activation, Norm, conv_norm_act
from architectures.registry import register


@register("s6_net")
def s6_net(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (16, 24, 32),
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """Five 3x3 convolutions, two max-poolings and global average pooling, each convolution with `norm` and `act`.

    Images (N, in_channels, H, W) of at least 4x4 pixels to logits (N, num_classes); `widths` are the channels at full,
    half and quarter resolution. Raises ArchitectureError unless there are three positive widths.
    """
    check_widths(widths, blocks=3)
    w1, w2, w3 = widths

    def conv(inputs: int, outputs: int) -> nn.Sequential:
        return conv_norm_act(inputs, outputs, norm=norm, act=act)

    return nn.Sequential(
        OrderedDict(
            conv1=conv(in_channels, w1),
            conv2=conv(w1, w1),
            pool1=nn.MaxPool2d(2),
            conv3=conv(w1, w2),
            conv4=conv(w2, w2),
            pool2=nn.MaxPool2d(2),
            conv5=conv(w2, w3),
            head=pooled_head(w3, num_classes),
        )
    )
