"""The family's quick form with maps in mirrored pairs."""

import functools
from collections.abc import Sequence

from torch import nn

from architectures.c1c2c3c40 import c1c2c3c40
from architectures.mirror import mirrored
from architectures.primitives import Activation, Norm
from architectures.registry import register


@register("c1c2c3c40_mirror")
def c1c2c3c40_mirror(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (32, 96, 112, 384),
    depths: Sequence[int] = (0, 1, 1, 0),
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.SiLU,
) -> nn.Module:
    """`c1c2c3c40_quick` with kernels that pairs of maps share, and so wider for the same parameters.

    Images (N, in_channels, H, W) to logits (N, num_classes). `widths` count both maps of a pair. Raises
    ArchitectureError for an odd one, and for wrong numbers as `c1c2c3c40` does.
    """
    network = c1c2c3c40(
        num_classes=num_classes,
        in_channels=in_channels,
        widths=widths,
        depths=depths,
        separable_c3=True,
        norm=norm,
        act=act,
    )
    return mirrored(network)


register("c1c2c3c40_mirror_small")(functools.partial(c1c2c3c40_mirror, widths=(32, 64, 80, 288)))
"""The same with fewer than 100,000 parameters."""
