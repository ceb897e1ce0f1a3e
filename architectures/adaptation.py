"""A network made for photographs in RGB, adapted to other channels and to small images."""

from typing import Literal, get_args

import torch
from torch import nn

from architectures.registry import ArchitectureError

Stem = Literal["original", "small"]
"""The form of a network's first layers."""


def with_stem(network: nn.Module, stem: Stem) -> nn.Module:
    """The network as it is, or with the `small_stem`, changed in place; raises ArchitectureError for another stem."""
    if stem not in get_args(Stem):
        raise ArchitectureError(f"unknown stem {stem!r}; valid: {', '.join(get_args(Stem))}")
    return small_stem(network) if stem == "small" else network


def adapt_channels(network: nn.Module, in_channels: int) -> None:
    """Gives the first convolution kernels for images of so many channels, made of those that it has.

    One channel gets their sum, as of a grey image; more channels get them in turn, scaled to the same sum (as
    `adapt_input_conv` of timm). Raises ArchitectureError without an ungrouped convolution to begin with.
    """
    name, conv = _first_convolution(network)
    if conv.in_channels == in_channels:
        return
    if conv.groups != 1:
        raise ArchitectureError(f"{name} is {conv}: the channels of a grouped convolution cannot be replaced")
    kernels, channels = conv.weight.detach(), conv.in_channels
    if in_channels == 1:
        kernels = kernels.sum(1, keepdim=True)
    else:
        kernels = kernels[:, torch.arange(in_channels) % channels] * (channels / in_channels)
    conv.in_channels, conv.weight = in_channels, nn.Parameter(kernels)


def small_stem(network: nn.Module) -> nn.Module:
    """The network with a first convolution of 3x3 and stride 1 and without max-pooling behind it, as for 32x32 pixels.

    So He et al. 2016, section 4.2, begin on CIFAR-10. The new convolution has PyTorch's initialisation. Raises
    ArchitectureError for a network that does not begin with an overlapping strided convolution, then max-pooling or
    none at all: a patch embedding, or a deeper stem.
    """
    name, conv = _first_convolution(network)
    layers = [path for path, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.MaxPool2d)]
    poolings = [path for path in layers if isinstance(network.get_submodule(path), nn.MaxPool2d)]
    follows, *_ = *layers[layers.index(name) + 1 :], "nothing"
    if type(conv) is not nn.Conv2d or conv.stride == (1, 1) or any(map(int.__le__, conv.kernel_size, conv.stride)):
        raise ArchitectureError(f"stem 'small' is for a strided convolution of overlapping windows; {name} is {conv}")
    if poolings and follows != poolings[0]:
        raise ArchitectureError(
            f"stem 'small' is for max-pooling right behind the first convolution; behind {name} comes {follows}, and "
            f"{poolings[0]} later"
        )
    bias = conv.bias is not None
    network.set_submodule(name, nn.Conv2d(conv.in_channels, conv.out_channels, 3, padding=1, bias=bias))
    if poolings:
        network.set_submodule(poolings[0], nn.Identity())
    return network


def _first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    found = next(((path, m) for path, m in network.named_modules() if isinstance(m, nn.Conv2d)), None)
    if found is None:
        raise ArchitectureError(f"{type(network).__name__} has no convolution that could be adapted to the images")
    return found
