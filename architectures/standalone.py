"""A network as one file that needs torch alone: the definitions that its builder uses, then the network itself."""

import ast
import functools
import graphlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

from torch import nn

from architectures import registry
from architectures.definitions import Definitions, Imported, read_definitions
from architectures.factory import builder_arguments, with_layers
from architectures.pretrained import architecture_of
from architectures.registry import ArchitectureError
from architectures.source import source_files, unwrapped

OURS = __name__.split(".")[0]
"""The package whose networks can be written so; those of others are left as their files are."""


def standalone(name: str, files: Mapping[str, str] | None = None, *, num_classes: int = 10, **options: Any) -> str:
    """Python that defines what the network of `create(name, **options)` uses, and ends in `network = ...`.

    Run as a program it prints the number of parameters. `files` are the sources by path as `source_files` gives them,
    by default those of today; nothing of them is executed. Raises ArchitectureError as `create` does, and where the
    code cannot stand in one file: it is of another package, defines a name twice, or uses a module as a whole.
    """
    builder = registry.find(architecture_of(name))
    if unwrapped(builder).__module__.split(".")[0] != OURS:
        raise ArchitectureError(f"{name} is not of this repository, whose networks alone are written into one file")
    parts = _Parts(dict(source_files(name) if files is None else files))
    given = with_layers(name, builder, builder_arguments(name, builder, {"num_classes": num_classes, **options}))
    whole = functools.partial(builder, **given)  # one, whatever partials the builder is made of
    arguments = "".join(f"    {argument},\n" for argument in _arguments(whole, parts))
    call = f"{_expression(whole.func, parts)}(\n{arguments})"
    definitions = parts.definitions()
    others = {module.split(".")[0] for module, _ in parts.imports.values()} - {*sys.stdlib_module_names, "torch"}
    return "\n".join(
        [
            f'"""The network {name} in one file, which needs {" and ".join(["torch", *sorted(others)])} alone."""\n',
            *_import_lines(parts.imports),
            *definitions,
            f"\n\nnetwork = {call}\n",
            'if __name__ == "__main__":',
            '    print(f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters")\n',
        ]
    )


def _expression(value: Any, parts: "_Parts") -> str:
    """Code for the value of an option, of which what it names is added to the parts."""
    if isinstance(value, functools.partial):
        parts.need_import("functools", "functools", None)
        return f"functools.partial({', '.join([_expression(value.func, parts), *_arguments(value, parts)])})"
    if not isinstance(value, type | FunctionType):
        try:
            ast.literal_eval(repr(value))
        except (ValueError, SyntaxError) as error:
            raise ArchitectureError(f"{value!r} cannot be written in one file") from error
        return repr(value)
    named = unwrapped(value)
    name = str(named.__name__)
    if vars(nn).get(name) is named:
        parts.need_import("nn", "torch", "nn")
        return f"nn.{name}"
    parts.need(named.__module__, named.__qualname__)
    return name


def _arguments(call: "functools.partial[Any]", parts: "_Parts") -> list[str]:
    given = [f"{key}={_expression(value, parts)}" for key, value in call.keywords.items()]
    return [*(_expression(value, parts) for value in call.args), *given]


@dataclass
class _Parts:
    """Definitions gathered from files, by module and place, and the imports of other packages that they use."""

    files: dict[str, str]
    imports: dict[str, Imported] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    places: dict[str, set[int]] = field(default_factory=dict)
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)
    needs: dict[str, set[str]] = field(default_factory=dict)
    read: dict[str, Definitions] = field(default_factory=dict)

    def need(self, module: str, name: str) -> str:
        """Adds a definition and all that it uses; the module that has it."""
        found = self._read(module)
        if name not in found.places:
            if name in found.imports and (target := found.imports[name])[1]:
                return self.need(target[0], str(target[1]))
            raise ArchitectureError(f"{module} has no definition of {name!r} that could stand in one file")
        if self.owners.setdefault(name, module) != module:
            raise ArchitectureError(f"{name!r} is defined by {self.owners[name]} and again by {module}")
        for place in found.places[name]:
            if place in self.places.setdefault(module, set()):
                continue
            self.places[module].add(place)
            for used in sorted(found.all[place].uses):
                if used in found.places:
                    self.need(module, used)
                elif used in found.imports:
                    self._take_in(module, used, *found.imports[used])
        return module

    def definitions(self) -> list[str]:
        """The definitions, each module's behind those that it needs, in their order."""
        used = {module: needs & self.places.keys() - {module} for module, needs in self.needs.items()}
        graph = {module: used.get(module, set()) for module in self.places}
        try:
            order = [*graphlib.TopologicalSorter(graph).static_order()]
        except graphlib.CycleError as error:
            raise ArchitectureError(f"modules that import each other cannot stand in one file: {error}") from error
        lines = []
        for module in order:
            lines.append(f"\n\n# From {module.replace('.', '/')}.py")
            lines += (f"\n{name} = {other}" for name, other in self.aliases.get(module, {}).items())
            for text in (self.read[module].all[place].text for place in sorted(self.places[module])):
                apart = "\n\n" if text.startswith(("def ", "class ", "@")) else "\n"
                lines.append(apart + re.sub(r"\bArchitectureError\b", "ValueError", text))
        return lines

    def need_import(self, name: str, module: str, imported: str | None) -> None:
        """Adds an import of another package."""
        if self.imports.setdefault(name, (module, imported)) != (module, imported):
            raise ArchitectureError(f"{name!r} is imported from {self.imports[name][0]} and again from {module}")

    def _take_in(self, by: str, name: str, module: str, imported: str | None) -> None:
        packages = {OURS, *(path.split("/")[0].removesuffix(".py") for path in self.files)}
        if (module, imported) in ((registry.__name__, "ArchitectureError"), (OURS, "ArchitectureError")):
            return None  # it is a ValueError
        if module.split(".")[0] not in packages:
            return self.need_import(name, module, imported)
        if imported is None:
            raise ArchitectureError(f"{by} uses the module {module} as a whole, which cannot stand in one file")
        self.needs.setdefault(by, set()).add(self.need(module, imported))
        if name != imported:
            self.aliases.setdefault(by, {})[name] = imported
        return None

    def _read(self, module: str) -> Definitions:
        if module not in self.read:
            base = module.replace(".", "/")
            path = next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in self.files), None)
            text = self.files[path] if path else _own_source(module)
            try:
                self.read[module] = read_definitions(text, module, bool(path and path.endswith("__init__.py")))
            except SyntaxError as error:
                raise ArchitectureError(f"the source of {module} cannot be read: {error}") from error
        return self.read[module]


def _own_source(module: str) -> str:
    spec = importlib.util.find_spec(module) if module.split(".")[0] == OURS else None
    if spec is None or spec.origin is None:
        raise ArchitectureError(f"the source of {module} is not among the files of the network")
    return Path(spec.origin).read_text(encoding="utf-8")


def _import_lines(imports: Mapping[str, Imported]) -> list[str]:
    lines, parts = [], dict[str, list[str]]()
    for name, (module, part) in sorted(imports.items()):
        if part is None:
            lines.append(f"import {module}" + ("" if module == name else f" as {name}"))
        else:
            parts.setdefault(module, []).append(part if part == name else f"{part} as {name}")
    return lines + [f"from {module} import {', '.join(names)}" for module, names in sorted(parts.items())]
