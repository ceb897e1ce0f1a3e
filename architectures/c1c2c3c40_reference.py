"""The network as the assignment's author wrote it down, layer by layer.

Two notes of the author do not add up. C3's first convolution is noted with stride 1, but only stride 2 gives the
receptive field of 57 noted beside it, feature maps of 7x7, and the three strided layers asked for. And 121 is the
receptive field before C4's closing convolution, which makes it 137.

Three quarters of the pixels cannot reach its logits. With dilation 2 throughout C1, an output of C1 depends on every
second row and column only, and C2's stride of 2 keeps one of the four such grids: odd rows and odd columns, 256 of
1,024 pixels.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from architectures.c1c2c3c40 import Head, check_widths, pooled_head
from architectures.primitives import Activation, Norm, conv_norm_act, separable_conv_norm_act
from architectures.registry import register


@register("c1c2c3c40_reference")
def c1c2c3c40_reference(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (32, 56, 64, 60),
    head: Head = "conv3x3",
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """Images (N, in_channels, H, W) to logits (N, num_classes); `widths` are the channels of C1 to C4.

    For 32x32 images the feature maps are 32, 15, 7 and 4 pixels wide, and the receptive field at the end of the blocks
    is 13, 33, 57 and 137. Raises ArchitectureError unless there are four positive widths.
    """
    check_widths(widths, blocks=4)
    w1, w2, w3, w4 = widths

    def dense(inputs: int, outputs: int, *, stride: int = 1, padding: int = 2, dilation: int = 2) -> nn.Sequential:
        return conv_norm_act(inputs, outputs, stride=stride, padding=padding, dilation=dilation, norm=norm, act=act)

    def separable(channels: int, *, padding: int, dilation: int) -> nn.Sequential:
        return separable_conv_norm_act(channels, channels, padding=padding, dilation=dilation, norm=norm, act=act)

    return nn.Sequential(
        OrderedDict(
            c1=nn.Sequential(dense(in_channels, w1), dense(w1, w1), dense(w1, w1)),
            c2=nn.Sequential(
                dense(w1, w2, stride=2, padding=1),
                separable(w2, padding=2, dilation=2),
                separable(w2, padding=2, dilation=2),
            ),
            c3=nn.Sequential(
                dense(w2, w3, stride=2, padding=1),
                separable(w3, padding=1, dilation=1),
                separable(w3, padding=1, dilation=1),
            ),
            c4=nn.Sequential(
                dense(w3, w4, stride=2, padding=2),
                separable(w4, padding=1, dilation=1),
                dense(w4, w4),
                dense(w4, w4, padding=1, dilation=1),
            ),
            head=pooled_head(w4, num_classes, head),
        )
    )
