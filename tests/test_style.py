"""Limits on size: files, functions, recipes, and the modules of framework/ that are in none of its packages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    path.relative_to(ROOT)
    for package in ("framework", "architectures", "recipes", "benchmarks")
    for path in (ROOT / package).rglob("*.py")
)
RECIPES = [path for path in FILES if path.parent == Path("recipes") and path.name != "__init__.py"]
FILE_LINES, FUNCTION_LINES, RECIPE_LINES = 250, 60, 80
TOP_MODULES = 4
"""Of framework/: `__init__`, errors, distributed and seeding."""


def line_count(path: Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def long_functions(source: str) -> Iterator[str]:
    """Functions and methods of more than `FUNCTION_LINES` lines, from `def` to the last, nested ones included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if (lines := node.end_lineno - node.lineno + 1) > FUNCTION_LINES:
                yield f"{node.name}, {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_files_and_functions_are_short(path: Path) -> None:
    assert line_count(path) <= FILE_LINES
    assert list(long_functions((ROOT / path).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_a_recipe_is_short(path: Path) -> None:
    assert line_count(path) <= RECIPE_LINES


def test_framework_has_few_modules_outside_its_packages() -> None:
    assert len([path for path in FILES if path.parent == Path("framework")]) <= TOP_MODULES


@pytest.mark.parametrize(
    ("head", "body", "found"),
    [
        ("def f():\n", "    x = 1\n", ["f, 61 lines"]),
        ("async def f(\n    a\n):\n", "    x = 1\n", ["f, 63 lines"]),
        ("class A:\n    @property\n    def f(self):\n", "        x = 1\n", ["f, 61 lines"]),
        ("class A:\n", "    x = 1\n", []),
        ("def f():\n    def g():\n        pass\n", "    x = 1\n", ["f, 63 lines"]),
    ],
)
def test_a_long_function_is_found(head: str, body: str, found: list[str]) -> None:
    assert list(long_functions(head + body * FUNCTION_LINES)) == found
    assert list(long_functions(head + body * (FUNCTION_LINES - head.count("\n")))) == []
