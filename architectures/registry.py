"""The registry of architectures: ours, those of installed packages, and any importable callable.

A package adds its own by the entry-point group `emberfield.architectures`, whose entries read
`name = package.module:callable`.
"""

import difflib
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from torch import nn

GROUP = "emberfield.architectures"

Builder = Callable[..., nn.Module]
"""Called by keyword with `num_classes`, `in_channels` and its options; one for RGB images may lack `in_channels`."""

AnyBuilder = TypeVar("AnyBuilder", bound=Builder)

_BUILDERS: dict[str, Builder] = {}


class ArchitectureError(ValueError):
    """A name or option of an architecture that does not exist, or a name registered twice."""

    exit_code: int = 2


def register(name: str) -> Callable[[AnyBuilder], AnyBuilder]:
    """A decorator that registers a builder under a name.

    A builder from the same `module:qualname` replaces the one registered before, as when a notebook cell runs again; of
    a functools.partial the arguments have to be equal too. Raises ArchitectureError, naming both, for any other.
    """

    def decorate(builder: AnyBuilder) -> AnyBuilder:
        _only_one(name, [_BUILDERS.get(name, builder), builder])
        _BUILDERS[name] = builder
        return builder

    return decorate


def names() -> list[str]:
    """Every registered name, sorted; plug-ins are listed without being loaded."""
    return sorted({*_BUILDERS, *(entry.name for entry in entry_points(group=GROUP))})


def options(name: str) -> dict[str, Any]:
    """The options of an architecture with their defaults, in the order of its signature.

    Raises ArchitectureError as `find` does.
    """
    parameters = inspect.signature(find(name)).parameters.values()
    return {
        parameter.name: None if parameter.default is parameter.empty else parameter.default
        for parameter in parameters
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def option_types(name: str) -> dict[str, str]:
    """The type of each option as it is annotated, '' where it is not; raises as `options` does."""
    parameters = inspect.signature(find(name)).parameters
    return {option: _type(parameters[option].annotation) for option in options(name)}


def describe(name: str) -> str:
    """The first line of an architecture's docstring, and the options that a functools.partial sets; '' without one.

    Raises ArchitectureError as `find` does.
    """
    builder = find(name)
    changed: dict[str, Any] = {}
    while isinstance(builder, functools.partial):
        changed = {**builder.keywords, **changed}
        builder = builder.func
    first = next(iter((inspect.getdoc(builder) or "").splitlines()), "")
    if not changed:
        return first
    return f"{builder.__name__} with {', '.join(f'{option}={_value(value)}' for option, value in changed.items())}"


def _type(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    if get_origin(annotation) is Literal:
        return " | ".join(map(repr, get_args(annotation)))
    return re.sub(r"\b(?:\w+\.)+(\w)", r"\1", inspect.formatannotation(annotation))


def _value(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)


def find(name: str) -> Builder:
    """The builder of a name, or of `package.module:callable`, looked up in the current folder too.

    Raises ArchitectureError for a name that does not exist, a name registered twice, and a plug-in that cannot be
    loaded.
    """
    builders = [_load(entry) for entry in entry_points(group=GROUP, name=name)]
    # Looked up after loading: a plug-in may also register what its entry point names.
    builders = [*([_BUILDERS[name]] if name in _BUILDERS else []), *builders]
    if builders:
        return _only_one(name, builders)
    if re.fullmatch(r"[\w.]+:[\w.]+", name):
        _make_current_folder_importable()
        return _load(EntryPoint(name=name, value=name, group=GROUP))
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f", did you mean {near[0]!r}?" if near else "."
    raise ArchitectureError(
        f"unknown architecture {name!r}{hint} Valid: {', '.join(names())}, or package.module:callable"
    )


def _only_one(name: str, builders: list[Builder]) -> Builder:
    origins = list(dict.fromkeys(map(_origin, builders)))
    if len(origins) > 1:
        raise ArchitectureError(f"{name!r} is registered by {' and again by '.join(origins)}")
    return builders[0]


def _make_current_folder_importable() -> None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
        importlib.invalidate_caches()


def _load(entry: EntryPoint) -> Builder:
    try:
        builder: Builder = entry.load()
        inspect.signature(builder)  # options are checked against it
    except Exception as error:  # a module of someone else's can raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ArchitectureError(f"the architecture {entry.value!r} cannot be loaded: {reason}") from error
    return builder


def _origin(builder: Builder) -> str:
    if isinstance(builder, functools.partial):  # it has no name of its own
        arguments = [*map(repr, builder.args), *(f"{key}={value!r}" for key, value in builder.keywords.items())]
        return f"{_origin(builder.func)}({', '.join(arguments)})"
    return f"{builder.__module__}:{getattr(builder, '__qualname__', repr(builder))}"
