"""The family C1 C2 C3 C4 0: four blocks of convolutions, global average pooling, a head.

Every block but C1 begins with a transition that halves the map: by a 3x3 convolution of stride 2, by the same behind a
blur, by max-pooling in front of the same convolution, or not at all, where the dilation of all that follows doubles
instead (Yu et al. 2017, Dilated Residual Networks, section 2). The four forms have the same parameters.

`rate` is 1 but for the last form, where it is the dilation that stands for the halvings so far: 2 in C2, 4 in C3, 8 in
C4.
"""

import functools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal, get_args

from torch import nn

from architectures.blur import Blur
from architectures.primitives import Activation, Norm, Residual, conv_norm_act, separable_conv_norm_act
from architectures.registry import ArchitectureError, register

Down = Literal["stride", "blur", "maxpool", "dilation"]
"""How a transition takes in more of the image."""

DEEPEST = 100
"""The most residuals, or pairs of them, in a block."""

Head = Literal["fc", "conv1x1", "conv3x3"]
"""What stands between the pooled features and the classes."""


def transition(
    in_channels: int,
    out_channels: int,
    *,
    down: Down = "stride",
    rate: int = 1,
    separable: bool = False,
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """A 3x3 convolution that halves the map, (N, in_channels, H, W) -> (N, out_channels, ceil(H / 2), ceil(W / 2)).

    With `down` 'blur' a `Blur` stands in front of it. With 'dilation' it keeps the map's size and has half the dilation
    of what follows; with 'maxpool' an odd size is rounded down. Raises ArchitectureError for another form.
    """
    convolution = separable_conv_norm_act if separable else conv_norm_act
    if down == "stride":
        return convolution(in_channels, out_channels, stride=2, norm=norm, act=act)
    if down == "blur":
        conv = convolution(in_channels, out_channels, stride=2, norm=norm, act=act)
        return nn.Sequential(OrderedDict(blur=Blur(in_channels), conv=conv))
    if down == "dilation":
        return convolution(in_channels, out_channels, dilation=max(rate // 2, 1), norm=norm, act=act)
    if down == "maxpool":
        conv = convolution(in_channels, out_channels, norm=norm, act=act)
        return nn.Sequential(OrderedDict(pool=nn.MaxPool2d(2), conv=conv))
    raise ArchitectureError(f"unknown transition {down!r}; valid: {', '.join(get_args(Down))}")


def block_c1(
    in_channels: int, out_channels: int, *, depth: int = 1, norm: Norm = nn.BatchNorm2d, act: Activation = nn.ReLU
) -> nn.Sequential:
    """C1, at the size of the image: a dense convolution, then `depth` separable residuals.

    (N, in_channels, H, W) -> (N, out_channels, H, W).
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = conv_norm_act(in_channels, out_channels, norm=norm, act=act)
    for number in range(1, depth + 1):
        layers[f"separable{number}"] = separable_residual(out_channels, norm=norm, act=act)
    return nn.Sequential(layers)


def block_c2(
    in_channels: int,
    out_channels: int,
    *,
    depth: int = 1,
    down: Down = "stride",
    rate: int = 1,
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """C2, at half the size: a transition, then `depth` pairs of a basic and a dilated separable residual."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["down"] = transition(in_channels, out_channels, down=down, rate=rate, norm=norm, act=act)
    for number in range(1, depth + 1):
        layers[f"basic{number}"] = basic_residual(out_channels, dilation=rate, norm=norm, act=act)
        layers[f"separable{number}"] = separable_residual(out_channels, dilation=2 * rate, norm=norm, act=act)
    return nn.Sequential(layers)


def block_c3(
    in_channels: int,
    out_channels: int,
    *,
    depth: int = 1,
    down: Down = "stride",
    rate: int = 1,
    separable: bool = False,
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """C3, at a quarter: a transition, then `depth` pairs of a dense and a separable residual, both dilated.

    With `separable` the transition is separable too.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["down"] = transition(
        in_channels, out_channels, down=down, rate=rate, separable=separable, norm=norm, act=act
    )
    for number in range(1, depth + 1):
        layers[f"dense{number}"] = dense_residual(out_channels, dilation=2 * rate, norm=norm, act=act)
        layers[f"separable{number}"] = separable_residual(out_channels, dilation=2 * rate, norm=norm, act=act)
    return nn.Sequential(layers)


def block_c4(
    in_channels: int,
    out_channels: int,
    *,
    depth: int = 0,
    down: Down = "stride",
    rate: int = 1,
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """C4, at an eighth: a depthwise separable transition, then `depth` separable residuals."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["down"] = transition(in_channels, out_channels, down=down, rate=rate, separable=True, norm=norm, act=act)
    for number in range(1, depth + 1):
        layers[f"separable{number}"] = separable_residual(out_channels, dilation=rate, norm=norm, act=act)
    return nn.Sequential(layers)


def dense_residual(
    channels: int, *, dilation: int = 1, norm: Norm = nn.BatchNorm2d, act: Activation = nn.ReLU
) -> Residual:
    """A dense 3x3 convolution and a shortcut."""
    return Residual(conv_norm_act(channels, channels, dilation=dilation, norm=norm, act=None), act)


def basic_residual(
    channels: int, *, dilation: int = 1, norm: Norm = nn.BatchNorm2d, act: Activation = nn.ReLU
) -> Residual:
    """Two dense 3x3 convolutions and a shortcut: the basic block of He et al. 2016, figure 5 left."""
    first = conv_norm_act(channels, channels, dilation=dilation, norm=norm, act=act)
    second = conv_norm_act(channels, channels, dilation=dilation, norm=norm, act=None)
    return Residual(nn.Sequential(first, second), act)


def separable_residual(
    channels: int, *, dilation: int = 1, norm: Norm = nn.BatchNorm2d, act: Activation = nn.ReLU
) -> Residual:
    """A depthwise separable 3x3 convolution and a shortcut."""
    return Residual(separable_conv_norm_act(channels, channels, dilation=dilation, norm=norm, act=None), act)


def pooled_head(channels: int, num_classes: int, head: Head = "fc") -> nn.Sequential:
    """Block 0: global average pooling, then the classes, (N, channels, H, W) -> (N, num_classes).

    'fc' is a linear layer and 'conv1x1' the same arithmetic as a convolution. 'conv3x3' is a convolution with padding
    1 on the pooled 1x1 map, of whose nine taps only the centre ever meets data.
    Raises ArchitectureError for another head.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(pool=nn.AdaptiveAvgPool2d(1))
    if head == "fc":
        layers["flatten"] = nn.Flatten()
        layers["fc"] = nn.Linear(channels, num_classes)
    elif head in get_args(Head):
        kernel = 3 if head == "conv3x3" else 1
        layers["conv"] = nn.Conv2d(channels, num_classes, kernel, padding=kernel // 2)
        layers["flatten"] = nn.Flatten()
    else:
        raise ArchitectureError(f"unknown head {head!r}; valid: {', '.join(get_args(Head))}")
    return nn.Sequential(layers)


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

    `widths` are the channels of C1 to C4, all scaled by `width`; `depths` count the residuals of C1 and C4 and the
    pairs of them in C2 and C3; `down` is the form of every `transition`; with `separable_c3` the transition to C3 is
    depthwise separable. Raises ArchitectureError for a wrong number of them, or a width that leaves a block without
    channels.
    """
    if len(widths) != 4 or min(channels := [round(width * w) for w in widths]) < 1:
        raise ArchitectureError(f"widths {list(widths)} scaled by {width}: they have to be four positive numbers")
    if len(depths) != 4 or min(depths) < 0 or max(depths) > DEEPEST:
        raise ArchitectureError(
            f"depths {list(depths)}: they have to be four numbers from 0 to {DEEPEST}, for C1 to C4"
        )
    c1, c2, c3, c4 = channels
    rates = (2, 4, 8) if down == "dilation" else (1, 1, 1)
    shared: list[dict[str, Any]] = [
        {"depth": depth, "down": down, "rate": rate, "norm": norm, "act": act}
        for depth, rate in zip(depths[1:], rates, strict=True)
    ]
    return nn.Sequential(
        OrderedDict(
            c1=block_c1(in_channels, c1, depth=depths[0], norm=norm, act=act),
            c2=block_c2(c1, c2, **shared[0]),
            c3=block_c3(c2, c3, separable=separable_c3, **shared[1]),
            c4=block_c4(c3, c4, **shared[2]),
            head=pooled_head(c4, num_classes, head),
        )
    )


register("c1c2c3c40_maxpool")(functools.partial(c1c2c3c40, down="maxpool"))
"""The network to be fixed: the default with max-pooling in place of its strides."""

register("c1c2c3c40_dilated")(functools.partial(c1c2c3c40, down="dilation", widths=(16, 24, 32, 96)))
"""The default with dilation in place of its strides, so that every map has the size of the image.

Narrower, since every parameter of a convolution is then used at every pixel.
"""

register("c1c2c3c40_quick")(
    functools.partial(c1c2c3c40, widths=(24, 64, 80, 256), depths=(0, 1, 1, 0), separable_c3=True, act=nn.SiLU)
)
"""For the least time to an accuracy: nothing but the stem at the image's size, whose maps leave a CPU's caches.

Its parameters are at half the size, where each is used 256 times an image, in widths that fill whole vectors.
"""

register("c1c2c3c40_small")(
    functools.partial(c1c2c3c40, widths=(24, 48, 48, 192), depths=(0, 1, 1, 0), separable_c3=True, act=nn.SiLU)
)
"""The same with fewer than 100,000 parameters."""
