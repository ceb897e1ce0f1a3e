"""What this framework asks of a collection of networks; the package `architectures` meets it."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import nn

from framework.errors import EmberfieldError


class Networks(Protocol):
    """Networks by name. Wrong names and options raise ValueError with an `exit_code`.

    `create(name, num_classes=..., pretrained=..., in_channels=..., **options)` makes a network; `names()` are all that
    there are; `describe(name)` says in a line what one is, `options(name)` are its options with their defaults,
    `option_types(name)` their types as text, `source_files(name)` the text of its Python files by path. PRETRAINED has
    published weights by name, each with its `test_accuracy`, a share; `pretrained_weights(name)` gives these:
    their `path`, `tensors` and `description`, the fields of a `ModelMetadata`. `libraries()` are other collections, by
    name with a line of text, whose models are called `library:model` and execute no code but the library's.

    A network may say by an attribute `min_size` of how many pixels an image's sides have to be. A layer's method
    `initialize_from_images(images)` is called before a training, with normalised images (N, C, H, W) on the CPU.
    """

    PRETRAINED: Mapping[str, Any]
    create: Callable[..., nn.Module]
    names: Callable[[], list[str]]
    describe: Callable[[str], str]
    options: Callable[[str], Mapping[str, Any]]
    option_types: Callable[[str], Mapping[str, str]]
    pretrained_weights: Callable[[str], Any]
    source_files: Callable[[str], Mapping[str, str]]
    libraries: Callable[[], Mapping[str, str]]


def is_registered(networks: Networks, arch: str) -> bool:
    """Whether the code of an architecture is that of a registered one or of a library, not of any module it names."""
    library, colon, _ = arch.partition(":")
    return arch in networks.names() or (bool(colon) and library in networks.libraries())


def create_network(
    networks: Networks, arch: str, arch_options: Mapping[str, Any], *, num_classes: int, in_channels: int
) -> nn.Module:
    """A new network for images of so many channels and classes; raises as `Networks.create` does.

    Raises EmberfieldError for options that the data decide, and for published weights among them.
    """
    taken = sorted({"name", "num_classes", "in_channels", "pretrained"} & arch_options.keys())
    if taken:
        raise EmberfieldError(
            f"arch_options holds {', '.join(taken)}; classes and channels are those of the data, and weights are new"
        )
    return networks.create(arch, num_classes=num_classes, in_channels=in_channels, **arch_options)


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """The network itself on a device, in channels_last; contiguous if a tensor has five dimensions, which cannot be."""
    network.to(device)
    if all(tensor.dim() != 5 for tensor in itertools.chain(network.parameters(), network.buffers())):
        network.to(memory_format=torch.channels_last)
    return network
