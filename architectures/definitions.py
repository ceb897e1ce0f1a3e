"""The top-level definitions of a Python file, with the names that each binds and uses; nothing is executed."""

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

Imported = tuple[str, str | None]
"""A module, and the name imported from it, or None for the module itself."""


@dataclass(frozen=True)
class Definition:
    """A statement as it is written, without the decorator `register`, and the globals that it reads."""

    text: str
    uses: frozenset[str]


@dataclass(frozen=True)
class Definitions:
    """Of a file: its definitions in order, the places among them that bind each name, and its imports by name."""

    all: list[Definition]
    places: dict[str, list[int]]
    imports: dict[str, Imported]


def read_definitions(text: str, module: str, is_package: bool = False) -> Definitions:
    """The definitions of a file, of which `module` resolves relative imports. Raises SyntaxError."""
    found = Definitions([], {}, {})
    statements = ast.parse(text).body
    for statement, following in zip(statements, [*statements[1:], None], strict=True):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found.imports.update(_imports(statement, module, is_package))
            continue
        names, uses = _names(written := _written(statement, text))
        for name in names | _changed(statement):
            found.places.setdefault(name, []).append(len(found.all))
        if isinstance(statement, ast.Assign | ast.AnnAssign) and _is_text(following):
            written += "\n" + _lines(text, following)
        found.all.append(Definition(written, uses))
    return found


def _imports(statement: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> Iterator[tuple[str, Imported]]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.split(".")[0]
            yield (alias.asname, (alias.name, None)) if alias.asname else (top, (top, None))
        return
    parts = module.split(".")
    base = parts[: len(parts) - statement.level + is_package] if statement.level else []
    source = ".".join([*base, *([statement.module] if statement.module else [])])
    for alias in statement.names:
        yield alias.asname or alias.name, (source, alias.name)


def _written(statement: ast.stmt, text: str) -> str:
    if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return _lines(text, statement)
    kept = [part for part in statement.decorator_list if not ast.unparse(part).split("(")[0].endswith("register")]
    return "\n".join([*(f"@{ast.get_source_segment(text, part)}" for part in kept), _lines(text, statement)])


def _lines(text: str, statement: ast.stmt | None) -> str:
    assert statement is not None
    return "\n".join(text.splitlines()[statement.lineno - 1 : statement.end_lineno])


def _is_text(statement: ast.stmt | None) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _names(code: str) -> tuple[set[str], frozenset[str]]:
    """The names that a statement binds, and those that it or a function in it reads from the module."""
    top = symtable.symtable(code, "definition", "exec")
    bound = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used, pending = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}, top.get_children()
    while pending:
        inner = pending.pop()
        used |= {symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global()}
        pending += inner.get_children()
    return bound, frozenset(used)


def _changed(statement: ast.stmt) -> set[str]:
    """The name of what an assignment changes in place, as of a dictionary that gets an item."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return {ast.unparse(target).split("[")[0].split(".")[0] for target in targets if not isinstance(target, ast.Tuple)}
