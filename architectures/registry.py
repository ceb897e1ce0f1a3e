"""Networks by name: ours, those of installed packages, and any callable on the spot.

A package adds its own by the entry-point group `emberfield.architectures`, whose entries read
`name = package.module:callable`. The dictionary of builders is the only global state of the project.
"""

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

GROUP = "emberfield.architectures"

Builder = Callable[..., nn.Module]
"""Called with `num_classes` and options by name; `in_channels` is among them for anything but RGB images."""

AnyBuilder = TypeVar("AnyBuilder", bound=Builder)

_BUILDERS: dict[str, Builder] = {}


class ArchitectureError(ValueError):
    """A name or option of an architecture that is not there, or taken twice."""

    exit_code: int = 2


def register(name: str) -> Callable[[AnyBuilder], AnyBuilder]:
    """A decorator that gives a builder a name.

    Raises ArchitectureError, naming both origins, if another builder has it: also the same one in a reloaded module.
    """

    def decorate(builder: AnyBuilder) -> AnyBuilder:
        _only_one(name, [_BUILDERS.setdefault(name, builder), builder])
        return builder

    return decorate


def names() -> list[str]:
    """Every name that `find` knows, sorted; plug-ins are listed without being loaded."""
    return sorted({*_BUILDERS, *(entry.name for entry in entry_points(group=GROUP))})


def origin(name: str) -> str:
    """Where the builder of a name is written, as `module:qualname`. Raises ArchitectureError as `find` does."""
    return _origin(find(name))


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


def find(name: str) -> Builder:
    """The builder of a name, or of `package.module:callable`, found from the current folder too.

    Raises ArchitectureError for a name that does not exist, one that a plug-in takes from another, and a plug-in that
    cannot be loaded.
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
    distinct = list({id(builder): builder for builder in builders}.values())
    if len(distinct) > 1:
        raise ArchitectureError(f"{name!r} is registered by {' and again by '.join(map(_origin, distinct))}")
    return distinct[0]


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
    made_from = getattr(builder, "func", builder)  # a functools.partial has no name of its own
    return f"{made_from.__module__}:{getattr(made_from, '__qualname__', type(made_from).__qualname__)}"
