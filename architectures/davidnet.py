"""The residual network of nine layers that David Page trained for DAWNBench, known as DavidNet.

After Page 2018, "How to Train Your ResNet", part 4 (myrtle.ai), with pooling between convolution and normalisation as
there. The logits are not scaled by 1/8, and the linear layer has a bias.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from architectures.c1c2c3c40 import check_widths
from architectures.primitives import Activation, Norm, Residual, conv_norm_act
from architectures.registry import register


@register("davidnet")
def davidnet(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (64, 128, 256, 512),
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """A convolution, then three that are max-pooled, the first and the last of these with a residual block behind them.

    Images (N, in_channels, H, W) of at least 8x8 pixels to logits (N, num_classes); `widths` are the channels of the
    four convolutions. The last max-pooling is over the whole feature map, 4x4 for images of 32x32. Raises
    ArchitectureError unless there are four positive widths.
    """
    check_widths(widths, blocks=4)
    w0, w1, w2, w3 = widths

    def pooled(inputs: int, outputs: int) -> OrderedDict[str, nn.Module]:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return OrderedDict(conv=conv, pool=nn.MaxPool2d(2), norm=norm(outputs), act=act())

    def residual(channels: int) -> Residual:
        body = (conv_norm_act(channels, channels, norm=norm, act=act) for _ in range(2))
        return Residual(nn.Sequential(*body), nn.Identity)

    return nn.Sequential(
        OrderedDict(
            prep=conv_norm_act(in_channels, w0, norm=norm, act=act),
            layer1=nn.Sequential(OrderedDict(**pooled(w0, w1), residual=residual(w1))),
            layer2=nn.Sequential(pooled(w1, w2)),
            layer3=nn.Sequential(OrderedDict(**pooled(w2, w3), residual=residual(w3))),
            pool=nn.AdaptiveMaxPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(w3, num_classes),
        )
    )
