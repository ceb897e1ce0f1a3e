"""Networks, created by their registered names."""

from architectures import (  # noqa: F401 - imported to be registered
    airbench96,
    c1c2c3c40,
    c1c2c3c40_gated_mirror,
    c1c2c3c40_mirror,
    c1c2c3c40_reference,
    c1c2c3c40_whitened,
    davidnet,
    model_libraries,
    resnet,
    s6_net,
)
from architectures.factory import create
from architectures.pretrained import PRETRAINED, PretrainedWeights, Published, WeightsError, pretrained_weights
from architectures.registry import ArchitectureError, describe, libraries, names, option_types, options, register
from architectures.source import source_files
from architectures.standalone import standalone

__all__ = [
    "PRETRAINED",
    "ArchitectureError",
    "PretrainedWeights",
    "Published",
    "WeightsError",
    "create",
    "describe",
    "libraries",
    "names",
    "option_types",
    "options",
    "pretrained_weights",
    "register",
    "source_files",
    "standalone",
]
