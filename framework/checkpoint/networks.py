"""What this framework asks of a collection of networks; the package `architectures` meets it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import nn


class Networks(Protocol):
    """Networks by name. Wrong names and options raise ValueError with an `exit_code`.

    `create(name, num_classes=..., pretrained=..., in_channels=..., **options)` makes a network; `names()` are all that
    there are, `options(name)` those of one with their defaults, `source_files(name)` the text of its Python files by
    path. PRETRAINED has the names of published weights; `pretrained_weights(name)` gives these: their `path`, `tensors`
    and `description`, the fields of a `ModelMetadata`.
    """

    PRETRAINED: Mapping[str, Any]
    create: Callable[..., nn.Module]
    names: Callable[[], list[str]]
    options: Callable[[str], Mapping[str, Any]]
    pretrained_weights: Callable[[str], Any]
    source_files: Callable[[str], Mapping[str, str]]
