"""How pictures are drawn by matplotlib: without a window, and with every name as it is."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def drawn(save: Callable[P, T]) -> Callable[P, T]:
    """A function that draws, with texts taken literally: `$`, `^` and `_` are not read as mathematics."""

    @functools.wraps(save)
    def literally(*args: P.args, **kwargs: P.kwargs) -> T:
        _import()
        import matplotlib

        with matplotlib.rc_context({"text.parse_math": False}):
            return save(*args, **kwargs)

    return literally


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
