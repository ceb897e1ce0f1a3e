"""Networks, each created by its registered name."""

from architectures import c1c2c3c40, c1c2c3c40_gated, c1c2c3c40_mirror, c1c2c3c40_reference
from architectures.factory import create
from architectures.pretrained import PRETRAINED, PretrainedWeights, Published, WeightsError, pretrained_weights
from architectures.registry import ArchitectureError, names, options, register
from architectures.source import source_files

__all__ = [
    "PRETRAINED",
    "ArchitectureError",
    "PretrainedWeights",
    "Published",
    "WeightsError",
    "c1c2c3c40",
    "c1c2c3c40_gated",
    "c1c2c3c40_mirror",
    "c1c2c3c40_reference",
    "create",
    "names",
    "options",
    "pretrained_weights",
    "register",
    "source_files",
]
