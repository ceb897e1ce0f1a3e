"""A trained network for other programs: its weights alone, or the whole of it."""

from framework.exporting.agreement import Agreement, agreement, require_agreement
from framework.exporting.programs import FORMATS, Format, require_installed
from framework.exporting.weights import write_weights

__all__ = [
    "FORMATS",
    "Agreement",
    "Format",
    "agreement",
    "require_agreement",
    "require_installed",
    "write_weights",
]
