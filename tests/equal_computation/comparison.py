"""The first difference between the findings of two trees, and all of them as a table."""

from collections.abc import Mapping, Sequence
from typing import Any


def first_difference(old: Any, new: Any, place: str = "") -> str | None:
    """Where and how nested dicts and lists differ first, in the order of `old`; None where they are equal."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.keys() != new.keys():
            return f"{place or 'findings'}: {', '.join(old)} against {', '.join(new)}"
        found = (first_difference(old[key], new[key], f"{place}, {key}" if place else str(key)) for key in old)
    elif isinstance(old, Sequence) and isinstance(new, Sequence) and not isinstance(old, str):
        if len(old) != len(new):
            return f"{place}: {len(old)} against {len(new)}"
        pairs = enumerate(zip(old, new, strict=True))
        found = (first_difference(*pair, f"{place} {number}") for number, pair in pairs)
    else:
        return None if old == new else f"{place}: {_short(old)} against {_short(new)}"
    return next((difference for difference in found if difference is not None), None)


def table(rows: Mapping[str, Mapping[str, str | None]], head: str) -> str:
    """A row for each key and a column for each inner key; None is printed as 'equal'."""
    columns = list(next(iter(rows.values())))
    lines = [[head, *columns], *([name, *(row[column] or "equal" for column in columns)] for name, row in rows.items())]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns) + 1)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text  # a SHA-256
