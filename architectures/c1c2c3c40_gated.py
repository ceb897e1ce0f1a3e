"""The family's form of gated residuals, at the image's size and at half of it: for a GPU.

After a network of 97,530 parameters (github.com/xvel/cifar10-tiniest) that is reported to have 94.4 % of CIFAR-10's
test images, mean of five: with the sheet's three strides.
"""

import functools
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from torch import nn
from torchvision.models.convnext import LayerNorm2d

from architectures.c1c2c3c40 import DEEPEST, pooled_head
from architectures.gated import GatedResidual
from architectures.mirror import mirrored
from architectures.primitives import Activation, Norm, conv_norm_act, separable_conv_norm_act
from architectures.registry import ArchitectureError, register


@register("c1c2c3c40_gated")
def c1c2c3c40_gated(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (48, 80),
    depths: Sequence[int] = (3, 3),
    kernels: Sequence[int] = (3, 7, 7),
    dilations: Sequence[int] = (1, 1, 3),
    mirror: bool = False,
    norm: Norm = LayerNorm2d,
    act: Activation = nn.SiLU,
) -> nn.Module:
    """Gated residuals in C1 and C2; C3 and C4 are a depthwise convolution each, for the last two of three strides.

    Images (N, in_channels, H, W) to logits (N, num_classes). `widths` and `depths` are the maps and residuals of C1 and
    C2, `kernels` and `dilations` those of every residual. With `mirror` maps come in pairs (`mirrored`). Raises
    ArchitectureError for a wrong number of widths or depths, and as `GatedResidual` does.
    """
    if len(widths) != 2 or min(widths) < 1:
        raise ArchitectureError(f"widths {list(widths)}: they have to be two positive numbers, for C1 and C2")
    if len(depths) != 2 or min(depths) < 0 or max(depths) > DEEPEST:
        raise ArchitectureError(
            f"depths {list(depths)}: they have to be two numbers from 0 to {DEEPEST}, for C1 and C2"
        )
    c1, c2 = widths

    def residuals(width: int, depth: int) -> list[nn.Module]:
        return [GatedResidual(width, kernels=kernels, dilations=dilations, norm=norm, act=act) for _ in range(depth)]

    stem = conv_norm_act(in_channels, c1, norm=norm, act=None)
    down = separable_conv_norm_act(c1, c2, stride=2, norm=norm, act=None)
    network = nn.Sequential(
        OrderedDict(
            c1=nn.Sequential(OrderedDict(stem=stem, **_numbered(residuals(c1, depths[0])))),
            c2=nn.Sequential(OrderedDict(down=down, **_numbered(residuals(c2, depths[1])))),
            c3=conv_norm_act(c2, c2, stride=2, groups=c2, norm=norm, act=None),
            c4=conv_norm_act(c2, c2, stride=2, groups=c2, norm=norm, act=act),
            head=pooled_head(c2, num_classes),
        )
    )
    return mirrored(network) if mirror else network


def _numbered(residuals: Iterable[nn.Module]) -> dict[str, nn.Module]:
    return {f"gated{number}": residual for number, residual in enumerate(residuals, 1)}


register("c1c2c3c40_gated_mirror")(functools.partial(c1c2c3c40_gated, widths=(64, 168), depths=(1, 4), mirror=True))
"""The same with maps in mirrored pairs, and so wider for as many parameters, most of them at half the image's size."""

register("c1c2c3c40_gated_mirror_small")(
    functools.partial(c1c2c3c40_gated, widths=(48, 112), depths=(1, 4), mirror=True)
)
"""That with fewer than 100,000 parameters."""
