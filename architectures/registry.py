"""The registry of architectures: ours, those of installed packages and libraries, and any importable callable.

A package adds its own by the entry-point group `emberfield.architectures`, whose entries read
`name = package.module:callable`. The models of a library are named `library:model`.
"""

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

from architectures.layer_names import layer_name, named_layers, nearest

GROUP = "emberfield.architectures"

Builder = Callable[..., nn.Module]
"""Called by keyword with `num_classes`, `in_channels` and its options; one for RGB images may lack `in_channels`."""

AnyBuilder = TypeVar("AnyBuilder", bound=Builder)

_BUILDERS: dict[str, Builder] = {}

Library = Callable[[str], Builder]
"""Gives the builder of a model by its name in the library; raises ArchitectureError for one that does not exist."""

_LIBRARIES: dict[str, Library] = {}


class ArchitectureError(ValueError):
    """A name or option of an architecture that does not exist, or a name registered twice."""

    exit_code: int = 2


class LibraryError(ArchitectureError):
    """A library of models that is not installed."""

    exit_code = 6


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


def register_library(name: str) -> Callable[[Library], Library]:
    """A decorator that registers a library, whose models are then found as `name:model`."""

    def decorate(library: Library) -> Library:
        _LIBRARIES[name] = library
        return library

    return decorate


def libraries() -> dict[str, str]:
    """The libraries by name, each with the first line of its docstring."""
    return {name: _first_line(library) for name, library in sorted(_LIBRARIES.items())}


def names() -> list[str]:
    """Every registered name, sorted; plug-ins are listed without being loaded."""
    return sorted({*_BUILDERS, *(entry.name for entry in entry_points(group=GROUP))})


def options(name: str) -> dict[str, Any]:
    """The options of an architecture with their defaults, in the order of its signature; layers are named.

    Raises ArchitectureError as `find` does.
    """
    return {
        parameter.name: None if parameter.default is parameter.empty else layer_name(parameter.default)
        for parameter in signature(find(name)).parameters.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def option_types(name: str) -> dict[str, str]:
    """The type of each option as it is annotated, '' where it is not; raises as `options` does.

    That of a normalisation or activation is the list of their names.
    """
    parameters = signature(find(name)).parameters
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
    if not changed:
        return _first_line(builder)
    return f"{builder.__name__} with {', '.join(f'{option}={_value(value)}' for option, value in changed.items())}"


def signature(builder: Builder) -> inspect.Signature:
    """A builder's signature, with the annotations that are texts evaluated where they can be."""
    try:
        return inspect.signature(builder, eval_str=True)
    except Exception:  # a name that only a type checker imports
        return inspect.signature(builder)


def _first_line(documented: Callable[..., Any]) -> str:
    return next(iter((inspect.getdoc(documented) or "").splitlines()), "")


def _type(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    if layers := named_layers(annotation):
        return " | ".join(map(repr, layers))
    if get_origin(annotation) is Literal:
        return " | ".join(map(repr, get_args(annotation)))
    return re.sub(r"\b(?:\w+\.)+(\w)", r"\1", inspect.formatannotation(annotation))


def _value(value: Any) -> str:
    named = layer_name(value)
    return named.__name__ if isinstance(named, type) else repr(named)


def find(name: str) -> Builder:
    """The builder of a name, `library:model`, or `package.module:callable`, looked up in the current folder too.

    Raises ArchitectureError for a name that does not exist, a name registered twice, and a plug-in that cannot be
    loaded.
    """
    library, colon, model = name.partition(":")
    if colon and library in _LIBRARIES:
        return _LIBRARIES[library](model)
    builders = [_load(entry) for entry in entry_points(group=GROUP, name=name)]
    # Looked up after loading: a plug-in may also register what its entry point names.
    builders = [*([_BUILDERS[name]] if name in _BUILDERS else []), *builders]
    if builders:
        return _only_one(name, builders)
    if re.fullmatch(r"[\w.]+:[\w.]+", name):
        _make_current_folder_importable()
        return _load(EntryPoint(name=name, value=name, group=GROUP))
    raise ArchitectureError(
        f"unknown architecture {name!r}{nearest(name, names())} Valid: {', '.join(names())}, "
        f"{''.join(f'{library}:MODEL, ' for library in libraries())}or package.module:callable"
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
