"""The source code of a network: the file of its builder, and those of the same package that it uses."""

import functools
import inspect
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from architectures import registry
from architectures.pretrained import architecture_of


def source_files(name: str) -> dict[str, str]:
    """The Python files that an architecture, or one of PRETRAINED, is made of: path and text, the builder's own first.

    Names are followed through functions, classes and default values, from the builder. Left out are other top-level
    packages, torch's internals, the registry, and modules without source. Raises ArchitectureError for a name that does
    not exist.
    """
    builder = registry.find(architecture_of(name))
    modules: dict[str, None] = {}
    seen: set[int] = set()
    pending: list[Any] = [builder]
    package = unwrapped(builder).__module__.split(".")[0]
    while pending:
        part = unwrapped(pending.pop())
        module = getattr(part, "__module__", None)
        if id(part) in seen or not module or module.split(".")[0] != package or module == registry.__name__:
            continue
        seen.add(id(part))
        modules[module] = None
        if package != "torch":
            pending += _uses(part)
    files = {}
    for name in modules:
        try:
            files[_path(sys.modules[name])] = inspect.getsource(sys.modules[name])
        except (OSError, TypeError, KeyError):  # compiled, or defined at run time
            continue
    return files


def _path(module: ModuleType) -> str:
    path = module.__name__.replace(".", "/")
    return f"{path}/__init__.py" if hasattr(module, "__path__") else f"{path}.py"


def unwrapped(part: Any) -> Any:
    """What a functools.partial, or a decorator that keeps it, was made of."""
    while isinstance(part, functools.partial):
        part = part.func
    return inspect.unwrap(part) if callable(part) else part


def _uses(part: Any) -> Iterator[Any]:
    """The globals that a function, or the methods and bases of a class, refer to by name."""
    if inspect.isclass(part):
        yield from part.__bases__
        functions = [unwrapped(member) for member in vars(part).values()]
    else:
        functions = [part]
    for function in functions:
        if isinstance(function, FunctionType):
            yield from (function.__defaults__ or ())
            yield from (function.__kwdefaults__ or {}).values()
            names = set(_names(function.__code__))
            for value in (function.__globals__[name] for name in sorted(names & function.__globals__.keys())):
                if isinstance(value, ModuleType):
                    yield from (vars(value)[name] for name in sorted(names & vars(value).keys()))
                else:
                    yield value


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
