"""The family's form of gated residual blocks, reflection-equivariant, for a GPU.

After github.com/xvel/cifar10-tiniest, a network of 97,530 parameters with 94.4 % of CIFAR-10's test images reported
(mean of 5), here with the assignment's three strides.
"""

import functools
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from architectures.c1c2c3c40 import check_depths, check_widths, pooled_head
from architectures.gated import GatedResidual
from architectures.primitives import Activation, LayerNorm2d, Norm, conv_norm_act, separable_conv_norm_act
from architectures.reflection import reflection_equivariant
from architectures.registry import register


@register("c1c2c3c40_gated_mirror")
def c1c2c3c40_gated_mirror(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (64, 168),
    depths: Sequence[int] = (1, 4),
    kernels: Sequence[int] = (3, 7, 7),
    dilations: Sequence[int] = (1, 1, 3),
    norm: Norm = LayerNorm2d,
    act: Activation = nn.SiLU,
) -> nn.Module:
    """Gated residual blocks in C1, C2 and, on request, C3; C3 and C4 each begin with a strided depthwise convolution.

    Images (N, in_channels, H, W) to logits (N, num_classes). `widths` are the channels of C1 and C2, `depths` the
    residual blocks of C1, C2 and, where there is a third number, C3. `kernels` and `dilations` are those of every
    `GatedResidual`. Raises ArchitectureError for a wrong number of widths or depths, and as `GatedResidual` and
    `reflection_equivariant` do.
    """
    check_widths(widths, blocks=2)
    check_depths(depths, blocks=2 if len(depths) < 3 else 3)
    (c1, c2), (depth1, depth2, depth3) = widths, (*depths, 0)[:3]

    def block(first: dict[str, nn.Module], channels: int, depth: int) -> nn.Sequential:
        layers = OrderedDict(first)
        for number in range(1, depth + 1):
            layers[f"gated{number}"] = GatedResidual(channels, kernels=kernels, dilations=dilations, norm=norm, act=act)
        return nn.Sequential(layers)

    stem = conv_norm_act(in_channels, c1, norm=norm, act=None)
    down = separable_conv_norm_act(c1, c2, stride=2, norm=norm, act=None)

    def shrink(act: Activation | None) -> dict[str, nn.Module]:
        return dict(conv_norm_act(c2, c2, stride=2, groups=c2, norm=norm, act=act).named_children())

    network = nn.Sequential(
        OrderedDict(
            c1=block({"stem": stem}, c1, depth1),
            c2=block({"down": down}, c2, depth2),
            c3=block(shrink(None), c2, depth3),
            c4=nn.Sequential(OrderedDict(shrink(act))),
            head=pooled_head(c2, num_classes),
        )
    )
    return reflection_equivariant(network)


register("c1c2c3c40_gated_mirror_small")(functools.partial(c1c2c3c40_gated_mirror, widths=(48, 112)))
"""The same with fewer than 100,000 parameters."""
