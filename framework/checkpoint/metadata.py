"""What a checkpoint says of its network: all that is needed to use the weights on new images."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from framework.config.declaration import parse_color
from framework.config.sections import FITS
from framework.data.preprocessing import Preprocessing
from framework.data.statistics import Statistics
from framework.errors import CheckpointError, EmberfieldError


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """The network's name and options, the images it was trained on, and how it computed.

    The defaults are how images became inputs before a file said so: stretched to squares, transparency left out.
    """

    arch: str
    arch_options: dict[str, Any]
    in_channels: int
    image_size: int
    class_names: list[str]
    mean: list[float]
    std: list[float]
    data: str
    data_hash: str
    precision: str
    augment_on: str
    fit: str = "stretch"
    background: str | None = None

    @property
    def statistics(self) -> Statistics:
        """Mean and deviation of the training images."""
        return Statistics(tuple(self.mean), tuple(self.std))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.in_channels, self.image_size, self.image_size

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes an input of the network."""
        return Preprocessing(self.image_size, self.fit, self.background)

    def as_text(self) -> dict[str, str]:
        """Every field as JSON, for the metadata of a file of another format."""
        return {name: json.dumps(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def parse(cls, content: object, source: str) -> "ModelMetadata":
        """Metadata out of a file, whose name in errors is `source`.

        Raises CheckpointError if a field without a default is missing, or one is unknown or of a wrong kind.
        """
        names = {item.name for item in dataclasses.fields(cls)}
        required = {item.name for item in dataclasses.fields(cls) if item.default is dataclasses.MISSING}
        if not isinstance(content, Mapping) or not required <= content.keys() <= names:
            raise CheckpointError(f"{source} does not describe its network")
        for name, valid in _VALID.items():
            if name in content and not valid(content[name]):
                raise CheckpointError(f"{source} describes its network wrongly: {name} is {str(content[name])[:100]!r}")
        channels = content["in_channels"]
        if not len(content["mean"]) == len(content["std"]) == channels:
            raise CheckpointError(
                f"{source} describes its network wrongly: mean and std are not of {channels} channels"
            )
        return cls(**content)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _color(value: str) -> bool:
    try:
        parse_color(value)
    except EmberfieldError:
        return False
    return True


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 2**20


def _numbers(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(number, float) and math.isfinite(number) for number in value)


_VALID: dict[str, Callable[[Any], bool]] = {
    "arch": _text,
    "arch_options": lambda value: isinstance(value, dict) and all(map(_text, value)),
    "in_channels": _count,
    "image_size": _count,
    "class_names": lambda value: isinstance(value, list) and bool(value) and all(map(_text, value)),
    "mean": _numbers,
    "std": lambda value: _numbers(value) and all(number > 0 for number in value),
    "data": _text,
    "data_hash": _text,
    "precision": _text,
    "augment_on": _text,
    "fit": lambda value: _text(value) and value in FITS,
    "background": lambda value: value is None or (_text(value) and _color(value)),
}
