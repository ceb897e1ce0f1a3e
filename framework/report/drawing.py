"""How pictures are drawn by matplotlib: without a window, and with every name as it is."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A PNG that a notebook shows where it is the value of a cell."""

    png: bytes

    @classmethod
    def of(cls, save: "Callable[[BinaryIO], object]") -> "Picture":
        """What a function saves into the file that it is given."""
        save(file := io.BytesIO())
        return cls(file.getvalue())

    def save(self, path: Path | str) -> Path:
        """Writes the file."""
        Path(path).write_bytes(self.png)
        return Path(path)

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return f"Picture({len(self.png):,} bytes of PNG)"


@contextmanager
def saved_figure(path: Path | BinaryIO, inches: tuple[float, float], dpi: int = 85) -> "Iterator[Figure]":
    """An empty figure, saved at the end, as an SVG where the path ends so, else as a PNG.

    Texts are taken literally: `$`, `^` and `_` are not read as mathematics.
    """
    _import()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=inches, layout="constrained")
        yield figure
        if isinstance(path, Path) and path.suffix == ".svg":
            figure.savefig(path, dpi=dpi)
        else:
            figure.savefig(path, format="png", dpi=dpi, pil_kwargs={"optimize": True})


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
