"""Networks, each created by its registered name."""

from architectures import c1c2c3c40, c1c2c3c40_reference
from architectures.registry import ArchitectureError, create, names, options, register
from architectures.source import source_files

__all__ = [
    "ArchitectureError",
    "c1c2c3c40",
    "c1c2c3c40_reference",
    "create",
    "names",
    "options",
    "register",
    "source_files",
]
