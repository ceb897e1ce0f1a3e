"""The family C1 C2 C3 C4 0: four blocks of convolutions, global average pooling, a classifier head.

Each of C2, C3 and C4 begins with a transition that halves height and width: a 3x3 convolution of stride 2, the same
behind a blur, or max-pooling in front of a convolution of stride 1. The fourth form keeps the size and doubles the
dilation of all that follows instead (Yu et al. 2017, Dilated Residual Networks, section 2). All four have the same
parameters.
"""

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from torch import nn

from architectures.blur import Blur
from architectures.primitives import Activation, Norm, Residual, conv_norm_act, separable_conv_norm_act
from architectures.registry import ArchitectureError, register

Down = Literal["stride", "blur", "maxpool", "dilation"]
"""The form of the transitions."""

Head = Literal["fc", "conv3x3"]
"""The classifier behind global average pooling."""

MAX_DEPTH = 100
"""The most residual blocks, or pairs of them, that one of C1 to C4 may have."""


def transition(
    in_channels: int,
    out_channels: int,
    *,
    down: Down = "stride",
    dilation: int = 1,
    separable: bool = False,
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """A 3x3 convolution that halves the size, (N, in_channels, H, W) -> (N, out_channels, ceil(H / 2), ceil(W / 2)).

    With `down` 'blur' a `Blur` precedes it. With 'maxpool' an odd size is rounded down. With 'dilation' the size stays,
    and the convolution has half of `dilation`, which is that of the layers behind it. Raises ArchitectureError for
    another form.
    """
    convolution = separable_conv_norm_act if separable else conv_norm_act
    if down == "stride":
        return convolution(in_channels, out_channels, stride=2, norm=norm, act=act)
    if down == "blur":
        conv = convolution(in_channels, out_channels, stride=2, norm=norm, act=act)
        return nn.Sequential(OrderedDict(blur=Blur(in_channels), conv=conv))
    if down == "dilation":
        return convolution(in_channels, out_channels, dilation=max(dilation // 2, 1), norm=norm, act=act)
    if down == "maxpool":
        conv = convolution(in_channels, out_channels, norm=norm, act=act)
        return nn.Sequential(OrderedDict(pool=nn.MaxPool2d(2), conv=conv))
    raise ArchitectureError(f"unknown transition {down!r}; valid: {', '.join(get_args(Down))}")


def dense_residual(channels: int, *, dilation: int = 1, norm: Norm, act: Activation) -> Residual:
    """A dense 3x3 convolution and a shortcut, (N, channels, H, W) -> the same shape."""
    return Residual(conv_norm_act(channels, channels, dilation=dilation, norm=norm, act=None), act)


def basic_residual(channels: int, *, dilation: int = 1, norm: Norm, act: Activation) -> Residual:
    """Two dense 3x3 convolutions and a shortcut: the basic block of He et al. 2016, figure 5 left."""
    first = conv_norm_act(channels, channels, dilation=dilation, norm=norm, act=act)
    second = conv_norm_act(channels, channels, dilation=dilation, norm=norm, act=None)
    return Residual(nn.Sequential(first, second), act)


def separable_residual(channels: int, *, dilation: int = 1, norm: Norm, act: Activation) -> Residual:
    """A depthwise separable 3x3 convolution and a shortcut."""
    return Residual(separable_conv_norm_act(channels, channels, dilation=dilation, norm=norm, act=None), act)


def pooled_head(channels: int, num_classes: int, head: Head = "fc") -> nn.Sequential:
    """Block 0: global average pooling, then the classifier, (N, channels, H, W) -> (N, num_classes).

    'fc' is a linear layer. 'conv3x3' is a convolution with padding 1 on the pooled 1x1 map: only the centre of its nine
    taps ever sees data. Raises ArchitectureError for another head.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(pool=nn.AdaptiveAvgPool2d(1))
    if head == "fc":
        layers["flatten"] = nn.Flatten()
        layers["fc"] = nn.Linear(channels, num_classes)
    elif head == "conv3x3":
        layers["conv"] = nn.Conv2d(channels, num_classes, 3, padding=1)
        layers["flatten"] = nn.Flatten()
    else:
        raise ArchitectureError(f"unknown head {head!r}; valid: {', '.join(get_args(Head))}")
    return nn.Sequential(layers)


def check_widths(widths: Sequence[int], blocks: int, first: int = 1) -> None:
    """Raises ArchitectureError unless there is a positive number of channels for each block from the `first`."""
    if len(widths) != blocks or min(widths) < 1:
        valid = f"{blocks} positive numbers, for C{first} to C{first + blocks - 1}"
        raise ArchitectureError(f"widths {list(widths)}: valid are {valid}")


def check_depths(depths: Sequence[int], blocks: int, first: int = 1) -> None:
    """Raises ArchitectureError unless there is a number from 0 to MAX_DEPTH for each block from the `first`."""
    if len(depths) != blocks or min(depths) < 0 or max(depths) > MAX_DEPTH:
        valid = f"{blocks} numbers from 0 to {MAX_DEPTH}, for C{first} to C{first + blocks - 1}"
        raise ArchitectureError(f"depths {list(depths)}: valid are {valid}")


@register("c1c2c3c40")
def c1c2c3c40(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (32, 48, 80, 256),
    width: float = 1.0,
    depths: Sequence[int] = (1, 1, 1, 0),
    down: Down = "stride",
    separable_c3: bool = False,
    head: Head = "fc",
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """The default: three 3x3 convolutions of stride 2, images (N, in_channels, H, W) to logits (N, num_classes).

    `widths` are the channels of C1 to C4, all multiplied by `width`; `depths` are the numbers of residual blocks in C1
    and C4 and of pairs of them in C2 and C3; `down` is the form of every `transition`; with `separable_c3` the one of
    C3 is depthwise separable, as that of C4 always is. Raises ArchitectureError for a wrong number of widths or depths,
    a `width` that leaves a block without channels, and as `transition` and `pooled_head` do.
    """
    check_widths(widths, blocks=4)
    check_depths(depths, blocks=4)
    w1, w2, w3, w4 = scaled = [round(width * channels) for channels in widths]
    if min(scaled) < 1:
        raise ArchitectureError(f"width {width} scales the widths {list(widths)} to {scaled}: valid is at least 1 each")
    # The dilation of each block: where nothing is halved, it doubles instead.
    d2, d3, d4 = (2, 4, 8) if down == "dilation" else (1, 1, 1)
    halve = functools.partial(transition, down=down, norm=norm, act=act)
    dense, basic, separable = (
        functools.partial(residual, norm=norm, act=act)
        for residual in (dense_residual, basic_residual, separable_residual)
    )
    return nn.Sequential(
        OrderedDict(
            c1=_block(
                {"stem": conv_norm_act(in_channels, w1, norm=norm, act=act)},
                depths[0],
                separable=lambda: separable(w1),
            ),
            c2=_block(
                {"down": halve(w1, w2, dilation=d2)},
                depths[1],
                basic=lambda: basic(w2, dilation=d2),
                separable=lambda: separable(w2, dilation=2 * d2),
            ),
            c3=_block(
                {"down": halve(w2, w3, dilation=d3, separable=separable_c3)},
                depths[2],
                dense=lambda: dense(w3, dilation=2 * d3),
                separable=lambda: separable(w3, dilation=2 * d3),
            ),
            c4=_block(
                {"down": halve(w3, w4, dilation=d4, separable=True)},
                depths[3],
                separable=lambda: separable(w4, dilation=d4),
            ),
            head=pooled_head(w4, num_classes, head),
        )
    )


def _block(first: dict[str, nn.Module], depth: int, **residuals: Callable[[], nn.Module]) -> nn.Sequential:
    """The first layer, then the residual blocks in turn, `depth` times."""
    layers = OrderedDict(first)
    for number in range(1, depth + 1):
        for kind, make in residuals.items():
            layers[f"{kind}{number}"] = make()
    return nn.Sequential(layers)


register("c1c2c3c40_maxpool")(functools.partial(c1c2c3c40, down="maxpool"))
"""The baseline: the default with max-pooling in place of its strides."""

register("c1c2c3c40_dilated")(functools.partial(c1c2c3c40, down="dilation", widths=(16, 24, 32, 96)))
"""The default with dilation in place of its strides, so every feature map has the size of the image.

Narrower, since every weight of a convolution is then used at every pixel.
"""

register("c1c2c3c40_quick")(
    functools.partial(c1c2c3c40, widths=(24, 64, 80, 256), depths=(0, 1, 1, 0), separable_c3=True, act=nn.SiLU)
)
"""For short trainings: only the stem is at full resolution, where feature maps exceed a CPU's caches.

Most parameters are at half resolution, used 256 times an image, in widths that fill whole vector registers.
"""
