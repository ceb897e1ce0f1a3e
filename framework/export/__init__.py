"""A trained network for other programs: its weights alone, or the whole of it."""

from framework.export.agreement import Agreement, agreement, require_agreement
from framework.export.formats import FORMATS, Format, require_installed, write_weights

__all__ = [
    "FORMATS",
    "Agreement",
    "Format",
    "agreement",
    "require_agreement",
    "require_installed",
    "write_weights",
]
