"""How pictures are drawn by matplotlib: without a window, and with every name as it is."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def saved_figure(path: Path, inches: tuple[float, float], dpi: int = 85) -> "Iterator[Figure]":
    """An empty figure, saved as a PNG at the end.

    Texts are taken literally: `$`, `^` and `_` are not read as mathematics.
    """
    _import()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=inches, layout="constrained")
        yield figure
        figure.savefig(path, dpi=dpi, pil_kwargs={"optimize": True})


def _import() -> None:
    """Imports matplotlib also where MPLBACKEND, as a notebook sets it, names a window system that is not installed."""
    former = os.environ.pop("MPLBACKEND", None) if "matplotlib" not in sys.modules else None
    if former is None:
        return
    try:
        import matplotlib
    finally:
        os.environ["MPLBACKEND"] = former
    with contextlib.suppress(ValueError):  # a file needs no window
        matplotlib.rcParams["backend"] = former
