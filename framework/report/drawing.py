"""How pictures are drawn by matplotlib: without a window, and with every name as it is."""

import functools
import os
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
    try:
        import matplotlib.figure
    except ValueError:
        former = os.environ.pop("MPLBACKEND")
        try:
            import matplotlib.figure  # noqa: F401
        finally:
            os.environ["MPLBACKEND"] = former
