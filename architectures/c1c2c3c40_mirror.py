"""The family's quick form with maps in mirrored pairs, or eights."""

import functools
from collections.abc import Sequence

from torch import nn

from architectures.c1c2c3c40 import Down, c1c2c3c40
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
    down: Down = "stride",
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.SiLU,
    turned: Sequence[str] = (),
) -> nn.Module:
    """`c1c2c3c40_quick` with kernels that pairs of maps share, and so wider for the same parameters.

    Images (N, in_channels, H, W) to logits (N, num_classes). `widths` count all maps of a pair; `depths` and `down` are
    `c1c2c3c40`'s; in the blocks named by `turned`, the first ones, maps come in eights. Raises ArchitectureError for
    what `mirrored` cannot tie, and as `c1c2c3c40` does.
    """
    network = c1c2c3c40(
        num_classes=num_classes,
        in_channels=in_channels,
        widths=widths,
        depths=depths,
        down=down,
        separable_c3=True,
        norm=norm,
        act=act,
    )
    return mirrored(network, turned)


register("c1c2c3c40_mirror_small")(functools.partial(c1c2c3c40_mirror, widths=(32, 64, 80, 288)))
"""The same with fewer than 100,000 parameters."""

register("c1c2c3c40_dihedral")(
    functools.partial(c1c2c3c40_mirror, widths=(64, 192, 208, 288), turned=("c1", "c2", "c3"))
)
"""With maps in eights up to C3, and so twice as wide there: for a GPU, at four times the multiply-adds."""
