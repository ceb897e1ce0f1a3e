"""What a checkpoint says of itself: all that is needed to use its weights on new images."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framework.data import Statistics
from framework.errors import CheckpointError


@dataclass(frozen=True, kw_only=True)
class Description:
    """The network's name and options, the images it was trained on, and how it computed."""

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

    @property
    def statistics(self) -> Statistics:
        """Mean and deviation of the training images."""
        return Statistics(tuple(self.mean), tuple(self.std))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.in_channels, self.image_size, self.image_size

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any], source: str) -> "Description":
        """The description in a checkpoint, whose name in errors is `source`.

        Raises CheckpointError if it is not there or not whole.
        """
        content = checkpoint.get("description")
        fields = {item.name: item.type for item in dataclasses.fields(cls)}
        if not isinstance(content, dict) or content.keys() != fields.keys():
            raise CheckpointError(f"{source} does not describe its network")
        for name, kind in (("arch", str), ("in_channels", int), ("image_size", int), ("class_names", list)):
            if not isinstance(content[name], kind):
                raise CheckpointError(f"{source} describes its network wrongly: {name} is {content[name]!r}")
        return cls(**content)
