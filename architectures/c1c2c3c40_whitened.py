"""The family behind a frozen whitening: for the least time to an accuracy on a CPU.

Whitening in place of a trained first convolution (Jordan 2024, arXiv 2404.00498, section 3.2), here without a bias,
leaves no normalisation and no gradient to compute at full resolution, where feature maps exceed a CPU's caches.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from architectures.c1c2c3c40 import c1c2c3c40, check_depths, check_widths
from architectures.primitives import Activation, Norm
from architectures.registry import register
from architectures.whitening import WhiteningConv2d


@register("c1c2c3c40_whitened")
def c1c2c3c40_whitened(
    *,
    num_classes: int = 10,
    in_channels: int = 3,
    widths: Sequence[int] = (48, 96, 320),
    depths: Sequence[int] = (1, 1, 0),
    norm: Norm = nn.BatchNorm2d,
    act: Activation = nn.SiLU,
) -> nn.Sequential:
    """C1 is a `WhiteningConv2d`, whose filters training takes from the images; C2 to C4 are those of `c1c2c3c40`.

    Images (N, in_channels, H, W) to logits (N, num_classes); `widths` and `depths` are those of C2 to C4. Raises
    ArchitectureError for a wrong number of widths or depths.
    """
    check_widths(widths, blocks=3, first=2)
    check_depths(depths, blocks=3, first=2)
    whitening = WhiteningConv2d(in_channels, bias=False)
    network = c1c2c3c40(
        num_classes=num_classes,
        in_channels=in_channels,
        widths=(whitening.out_channels, *widths),
        depths=(0, *depths),
        separable_c3=True,
        norm=norm,
        act=act,
    )
    network.set_submodule("c1.stem", nn.Sequential(OrderedDict(conv=whitening, act=act())))
    return network
