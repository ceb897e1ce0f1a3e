"""Networks in which every feature also looks for its own mirror image.

Convolutions over the group of two elements, the identity and the reflection of left and right (Cohen and Welling 2016,
"Group Equivariant Convolutional Networks", section 6): maps come in pairs, the first half of them and, in the same
order, their partners. A partner's kernel is the mirror image of the first's, so that mirroring the image mirrors all
maps and swaps the pairs. Half the parameters are left for the same arithmetic, and no training image has to teach again
what its mirror image has taught.

Maps can come in eights too, for the group of the eight symmetries of a square (the same, section 6: p4m): four turned
by quarters, and the partners of these. What follows them may go on in pairs, since such an eight is four pairs.

A convolution of stride 2 on a map of even size takes its pixels from a grid that is not its own mirror image. Behind
one, the two classifications of an image and its mirror image are close, not the same.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from architectures.registry import ArchitectureError


class MirrorConv2d(nn.Conv2d):
    """A convolution of paired maps, with the same shapes, settings and arithmetic as `conv`, whose place it takes.

    `weight` holds the kernels of the first half of the output, (out_channels / 2, in_channels / groups, height, width);
    those of their partners follow from it. With `lifts` the input is an image or its like, whose channels are no pairs.
    In a convolution of several groups a feature sees its own group, and its partner the mirror image of that.

    With `turned` maps come in eights: `weight` holds the kernels of an eighth of the output, the next eighths are those
    turned by one to three quarters, counterclockwise, and the second half the partners of the first.

    Raises ArchitectureError for a number of maps or, if not one, groups that makes no pairs or eights, and for kernels
    that are to be turned and are not square.
    """

    def __init__(self, conv: nn.Conv2d, *, lifts: bool = False, turned: bool = False) -> None:
        orbit = 8 if turned else 2
        tied = {"in_channels": orbit if lifts else conv.in_channels, "out_channels": conv.out_channels}
        if conv.groups > 1:
            tied["groups"] = conv.groups
        for name, count in tied.items():
            if count % orbit:
                raise ArchitectureError(f"{name} {count} of {conv} is no multiple of {orbit}, as maps in symmetry come")
        if turned and conv.kernel_size[0] != conv.kernel_size[1]:
            raise ArchitectureError(f"kernels of {conv.kernel_size} are not square: they cannot be turned by a quarter")
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups,
            conv.bias is not None,
            conv.padding_mode,
        )
        self.lifts, self.turned = lifts, turned
        own = conv.out_channels // orbit
        self.weight = nn.Parameter(conv.weight.detach()[:own].clone())
        if conv.bias is not None:
            self.bias = nn.Parameter(conv.bias.detach()[:own].clone())

    def kernels(self) -> Tensor:
        """The kernels of all maps, (out_channels, in_channels / groups, height, width)."""
        first = torch.cat([self._turned(quarters) for quarters in range(4)]) if self.turned else self.weight
        partners = first.flip(3)
        if not self.lifts and self.groups == 1:
            partners = partners.roll(self.in_channels // 2, 1)
        return torch.cat([first, partners])

    def _turned(self, quarters: int) -> Tensor:
        """The own kernels turned, and with them the maps that they see: partners go round the other way."""
        kernels = self.weight
        if not self.lifts and self.groups == 1:
            eighths = kernels.chunk(8, 1)
            maps = [eighths[(place - quarters) % 4] for place in range(4)]
            partners = [eighths[4 + (place + quarters) % 4] for place in range(4)]
            kernels = torch.cat(maps + partners, 1)
        return torch.rot90(kernels, quarters, (2, 3))

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')."""
        bias = None if self.bias is None else self.bias.repeat(self.out_channels // len(self.bias))
        output: Tensor = self._conv_forward(input, self.kernels(), bias)
        return output


class MirrorLinear(nn.Linear):
    """A linear layer of the means of pairs, (N, in_features) -> (N, out_features), in the place of `linear`.

    `weight` is (out_features, in_features / 2). Raises ArchitectureError for an odd number of features.
    """

    def __init__(self, linear: nn.Linear) -> None:
        if linear.in_features % 2:
            raise ArchitectureError(f"{linear} has an odd number of features: they cannot be paired with mirror images")
        super().__init__(linear.in_features // 2, linear.out_features, linear.bias is not None)

    def forward(self, input: Tensor) -> Tensor:
        """Swapping the halves of the input changes nothing."""
        return super().forward((input[..., : self.in_features] + input[..., self.in_features :]) / 2)


def mirrored(network: nn.Module, turned: Collection[str] = ()) -> nn.Module:
    """The network, changed in place: every convolution becomes a MirrorConv2d, its linear layer a MirrorLinear.

    Maps come in eights in the blocks, children of the network, whose names are `turned`: the first ones, or none.

    Its first convolution has to be the one of the image, its linear layer the head, which gets new weights. What lies
    between has to treat all maps alike, as normalisations, activations and pooling do. Raises ArchitectureError where
    maps cannot be paired, for other blocks in eights than the first ones, or without exactly one linear layer: a
    convolution's logits would be paired too.
    """
    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    heads = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    if len(heads) != 1:
        raise ArchitectureError(f"mirrored pairs need one linear layer, the head, not {len(heads)}: {list(heads)}")
    blocks = list(dict.fromkeys(name.split(".")[0] for name in convolutions))
    if set(turned) != set(blocks[: len(turned)]):
        raise ArchitectureError(f"turned {list(turned)}: valid are the first of the blocks {blocks}, or none")
    for number, (name, conv) in enumerate(convolutions.items()):
        network.set_submodule(name, MirrorConv2d(conv, lifts=number == 0, turned=name.split(".")[0] in turned))
    for name, linear in heads.items():
        network.set_submodule(name, MirrorLinear(linear))
    return network
