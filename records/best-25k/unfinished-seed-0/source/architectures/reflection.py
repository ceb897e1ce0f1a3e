"""Convolutional networks that are equivariant to reflection, left and right swapped.

Group convolutions (Cohen and Welling 2016, "Group Equivariant Convolutional Networks", section 6) for the group of two
elements, identity and reflection. Channels come in pairs, c and c + channels / 2, whose kernels are reflections of each
other: reflecting the image reflects every feature map and swaps the channels of each pair. Only one kernel of a pair is
a parameter, so the same arithmetic has half the parameters, and a reflected image needs no learning of its own.

A convolution of stride 2 samples an even size on a grid that is not symmetric. Behind one the equivariance is
approximate, and so the logits of an image and its reflection are close, not equal.
"""

import torch
from torch import Tensor, nn

from architectures.registry import ArchitectureError


class ReflectionConv2d(nn.Conv2d):
    """A reflection-equivariant convolution with the shapes, settings and arithmetic of `conv`, which it replaces.

    `weight` holds the kernels of the first half of the output channels, (out_channels / 2, in_channels / groups,
    height, width); those of the second half are their reflections. With `lifting` the input is an image, whose channels
    are no pairs. In a grouped convolution a channel sees its own group, and its partner the reflection of that group.

    Raises ArchitectureError for odd numbers of channels or, unless it is one, of groups.
    """

    def __init__(self, conv: nn.Conv2d, *, lifting: bool = False) -> None:
        paired = {"out_channels": conv.out_channels}
        if not lifting:
            paired["in_channels"] = conv.in_channels
        if conv.groups > 1:
            paired["groups"] = conv.groups
        for name, count in paired.items():
            if count % 2:
                raise ArchitectureError(f"{name} {count} of {conv} is odd: reflected channels come in pairs")
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
        self.lifting = lifting
        half = conv.out_channels // 2
        self.weight = nn.Parameter(conv.weight.detach()[:half].clone())
        if conv.bias is not None:
            self.bias = nn.Parameter(conv.bias.detach()[:half].clone())

    def expanded_weight(self) -> Tensor:
        """The kernels of all output channels, (out_channels, in_channels / groups, height, width)."""
        reflected = self.weight.flip(3)
        if not self.lifting and self.groups == 1:
            reflected = reflected.roll(self.in_channels // 2, 1)
        return torch.cat([self.weight, reflected])

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')."""
        bias = None if self.bias is None else self.bias.repeat(2)
        output: Tensor = self._conv_forward(input, self.expanded_weight(), bias)
        return output


class ReflectionLinear(nn.Linear):
    """A linear layer on the mean of each pair, (N, in_features) -> (N, out_features), which replaces `linear`.

    Reflection-invariant: swapping the halves of the input changes nothing. `weight` is (out_features, in_features / 2).
    Raises ArchitectureError for an odd number of features.
    """

    def __init__(self, linear: nn.Linear) -> None:
        if linear.in_features % 2:
            raise ArchitectureError(f"{linear} has an odd number of features: reflected channels come in pairs")
        super().__init__(linear.in_features // 2, linear.out_features, linear.bias is not None)

    def forward(self, input: Tensor) -> Tensor:
        """The layer itself takes half as many features."""
        return super().forward((input[..., : self.in_features] + input[..., self.in_features :]) / 2)


def reflection_equivariant(network: nn.Module) -> nn.Module:
    """The network, changed in place: each nn.Conv2d a ReflectionConv2d, its one nn.Linear a ReflectionLinear.

    The first convolution has to be that of the image, the linear layer the classifier, which gets new weights. All
    other layers have to treat channels alike, as normalisations, activations and pooling do. Raises ArchitectureError
    where channels cannot be paired, and without exactly one linear layer: logits of a convolution would be paired too.
    """
    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    heads = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    if len(heads) != 1:
        raise ArchitectureError(
            f"reflection equivariance needs exactly one linear layer, the classifier; found {len(heads)}: {list(heads)}"
        )
    for number, (name, conv) in enumerate(convolutions.items()):
        network.set_submodule(name, ReflectionConv2d(conv, lifting=number == 0))
    for name, linear in heads.items():
        network.set_submodule(name, ReflectionLinear(linear))
    return network
