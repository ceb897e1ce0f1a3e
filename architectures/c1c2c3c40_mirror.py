"""The family's quick form, made reflection-equivariant."""

from collections.abc import Sequence

from torch import nn

from architectures.c1c2c3c40 import Down, c1c2c3c40
from architectures.primitives import Activation, Norm
from architectures.reflection import reflection_equivariant
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
) -> nn.Module:
    """`c1c2c3c40_quick` with weights shared by reflected pairs of channels, so wider for the same parameters.

    Images (N, in_channels, H, W) to logits (N, num_classes). `widths` count both channels of each pair; `depths` and
    `down` are those of `c1c2c3c40`. Raises ArchitectureError as `reflection_equivariant` and `c1c2c3c40` do.
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
    return reflection_equivariant(network)
