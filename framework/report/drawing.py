"""How pictures are drawn by matplotlib: without a window, and with every name as it is."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from framework.run.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.ImageFont import FreeTypeFont

INK = "#767676"
"""Of texts and axes, on a transparent background: a grey that can be read on white (contrast 4.5) and black (4.6)."""

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "legend.framealpha": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick", "grid")},
    **{f"axes.{part}": INK for part in ("edgecolor", "labelcolor", "titlecolor")},
}


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
def saved_figure(
    path: Path | BinaryIO, inches: tuple[float, float], dpi: int = 100, layout: str = "constrained"
) -> "Iterator[Figure]":
    """An empty figure, saved at the end, as an SVG where the path ends so, else as a PNG.

    Its background is transparent, so that it suits a page of either color. Texts are taken literally: `$`, `^` and `_`
    are not read as mathematics, and what is not printable stands as an escape. A letter that the font lacks is a box.
    """
    _import()
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=inches, layout=layout)  # type: ignore[arg-type]
        yield figure
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            text.set_text(printable(text.get_text(), keep="\n"))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            if isinstance(path, Path) and path.suffix == ".svg":
                figure.savefig(path, dpi=dpi)
            else:
                figure.savefig(path, format="png", dpi=dpi)


def font(size: int) -> "FreeTypeFont":
    """The font of matplotlib's texts, for what is drawn without it."""
    _import()
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


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
