"""What this framework asks of a collection of networks; the package `architectures` meets it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn


class PretrainedWeights(Protocol):
    """Published weights: the file, its tensors (a state dict), and the fields of a `ModelMetadata`."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The state dict."""

    @property
    def description(self) -> Mapping[str, Any]:
        """What they were trained on, and how."""


class Networks(Protocol):
    """Networks by name."""

    @property
    def PRETRAINED(self) -> Mapping[str, Any]:
        """The names that have published weights."""

    def create(self, name: str, *, num_classes: int = 10, pretrained: bool = False, **options: Any) -> nn.Module:
        """A network by its name, with its options. Raises ValueError with an `exit_code` for a wrong one."""

    def names(self) -> list[str]:
        """Every registered name."""

    def options(self, name: str) -> Mapping[str, Any]:
        """The options of an architecture with their defaults."""

    def pretrained_weights(self, name: str) -> PretrainedWeights:
        """The published weights of a name."""

    def source_files(self, name: str) -> Mapping[str, str]:
        """The Python files that an architecture is made of, path and text."""
