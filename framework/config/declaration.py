"""Declared settings: a field with its help text and valid values, and the check that holds it to them."""

import dataclasses
import difflib
import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

from framework.errors import EmberfieldError

T = TypeVar("T")


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    min: float | None = None,
    max: float | None = None,
    parse: Callable[[Any], object] | None = None,
    resumable: bool = False,
) -> Any:
    """Declares a field: its default, help text and valid values.

    `min` and `max` are inclusive, for numbers; texts, also those of a list, are among the `choices`; `parse` raises
    EmberfieldError for a value that it cannot read. A `resumable` field may differ between a run and its resume,
    because it does not decide what is computed.
    """
    metadata = {"help": help, "choices": choices, "min": min, "max": max, "parse": parse, "resumable": resumable}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def unknown(kind: str, name: str, valid: Iterable[str]) -> str:
    """The message for a name that is not there: the nearest one that is, then all of them."""
    valid = sorted(valid)
    near = difflib.get_close_matches(name, valid, n=1)
    hint = f", did you mean {near[0]!r}?" if near else "."
    return f"unknown {kind} {name!r}{hint} Valid: {', '.join(valid)}"


def parse_interval(text: str) -> tuple[float | None, int | None]:
    """'60s' is every 60 seconds, '500' every 500 steps: (seconds, steps), of which one is None.

    Raises EmberfieldError for another text.
    """
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)s", text):
        return float(match[1]), None
    if re.fullmatch(r"[1-9]\d*", text):
        return None, int(text)
    raise EmberfieldError(f"checkpoint_every is {text!r}; it takes seconds like '60s' or a number of steps like '500'")


UNITS = {"": 1, "kB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}
"""The units of a size, in bytes."""


def parse_size(size: int | str) -> int:
    """The bytes of 65536, '65536', '64KiB', '64kB', '1MiB' or '1MB'. Raises EmberfieldError for another text."""
    match = re.fullmatch(rf"(\d+)({'|'.join(UNITS)})", str(size))
    if match is None:
        raise EmberfieldError(f"the size {size!r} is not valid; it takes bytes, as in 65536, or 64KiB, 64kB, 1MiB, 1MB")
    return int(match[1]) * UNITS[match[2]]


def parse_color(text: str) -> tuple[int, int, int]:
    """Red, green and blue, each 0 to 255, of 'white', 'black' or '#rrggbb'. Raises EmberfieldError for another text."""
    digits = {"white": "#ffffff", "black": "#000000"}.get(text, text)
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", digits):
        raise EmberfieldError(f"background is {text!r}; it takes white, black or #rrggbb, as in #ffe4c4")
    red, green, blue = bytes.fromhex(digits[1:])
    return red, green, blue


def parse_class_weights(value: object) -> None:
    """Raises EmberfieldError for a list of weights of which one is negative, or all are zero."""
    weights = value if isinstance(value, tuple) else (1,)
    if not (all(math.isfinite(each) and each >= 0 for each in weights) and any(weights)):
        raise EmberfieldError(
            f"class_weights is {json.dumps(weights)}; it takes a number for each class, none below 0, or balanced"
        )


def takes_texts(hint: Any) -> bool:
    """Whether a setting of this type is a list of texts."""
    return any(typing.get_args(kind) == (str, ...) for kind in (hint, *typing.get_args(hint)))


def as_declared(value: object, hint: Any) -> object:
    """A value from JSON for a setting of this type: a list as a tuple, a text as a list of one where it takes texts."""
    if isinstance(value, str) and takes_texts(hint):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


@dataclass_transform(frozen_default=True, kw_only_default=True)
def section(declared: type[T]) -> type[T]:
    """Makes a class of settings a frozen dataclass, taken by keyword and checked by `check_section` when it is made."""
    declared.__post_init__ = check_section  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(declared)


def check_section(section: Any) -> None:
    """Raises EmberfieldError for the first field whose type or value is not what its declaration allows."""
    hints = typing.get_type_hints(type(section))
    for item in dataclasses.fields(section):
        value, limits = getattr(section, item.name), item.metadata
        _check_type(item.name, value, hints[item.name])
        if value is None:
            continue
        if isinstance(value, float) and not math.isfinite(value):
            raise EmberfieldError(f"{item.name} is {value}; it takes a finite number")
        if limits["choices"]:
            for chosen in value if isinstance(value, tuple) else (value,):
                if isinstance(chosen, str) and chosen not in limits["choices"]:
                    raise EmberfieldError(unknown(item.name, chosen, limits["choices"]))
        number = not isinstance(value, str)
        if number and limits["min"] is not None and not value >= limits["min"]:
            raise EmberfieldError(f"{item.name} is {value}; the smallest valid value is {limits['min']}")
        if number and limits["max"] is not None and not value <= limits["max"]:
            raise EmberfieldError(f"{item.name} is {value}; the largest valid value is {limits['max']}")
        if limits["parse"] is not None:
            limits["parse"](value)
        if item.default != "" and "" in (value if isinstance(value, tuple) else (value,)):
            raise EmberfieldError(f"{item.name} is {value!r}; it takes no empty text")  # a path would be the folder


def _check_type(name: str, value: object, hint: Any) -> None:
    allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    plain = tuple(typing.get_origin(kind) or kind for kind in allowed)
    if float in plain:
        plain = (*plain, int)
    if not isinstance(value, plain) or (isinstance(value, bool) and bool not in plain):
        names = " or ".join("null" if kind is types.NoneType else kind.__name__ for kind in plain)
        raise EmberfieldError(f"{name} is {value!r}, a {type(value).__name__}; it takes {names}")
    if isinstance(value, tuple):
        (element,) = (typing.get_args(kind)[0] for kind in allowed if typing.get_origin(kind) is tuple)
        kinds = (float, int) if element is float else (typing.get_origin(element) or element,)
        if not all(isinstance(each, kinds) and not isinstance(each, bool) for each in value):
            elements = {str: "texts", float: "numbers"}.get(element, "objects")
            raise EmberfieldError(f"{name} is {value!r}; it takes a list of {elements}")
