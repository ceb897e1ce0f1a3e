"""Whether two states of a run are equal, bit for bit."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

CLOCK = "seconds"
"""The entries that tell time, which are left out."""


def leaves(state: object, path: str = "") -> dict[str, Any]:
    """Every value in nested dicts, lists and tuples by its path like '/model/0.weight', but for the clock's."""
    if isinstance(state, Mapping):
        items = list(state.items())
    elif isinstance(state, list | tuple):
        items = list(enumerate(state))
    else:
        return {path: state}
    found: dict[str, Any] = {}
    for key, value in items:
        if key != CLOCK:
            found |= leaves(value, f"{path}/{key}")
    return found


def first_difference(one: object, other: object) -> str | None:
    """The path of the first value that differs in type, shape or any bit, with what it is; None if all are equal."""
    left, right = leaves(one), leaves(other)
    for path in sorted(left.keys() ^ right.keys()):
        return f"{path} is in one of the two only"
    for path, value in left.items():
        if not _equal(value, right[path]):
            shown = f": {value!r} and {right[path]!r}" if not isinstance(value, Tensor) else ""
            return f"{path} differs{shown}"
    return None


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        # Bits, so that not-a-number equals itself and -0.0 does not equal 0.0.
        return torch.equal(one.contiguous().flatten().view(torch.uint8), other.contiguous().flatten().view(torch.uint8))
    return type(one) is type(other) and (one == other or (one != one and other != other))
