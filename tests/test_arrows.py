"""Who may import whom: recipes -> {framework, architectures}, which know neither each other nor the recipes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "framework": {"framework"},
    "architectures": {"architectures"},
    "recipes": {"recipes", "framework", "architectures"},
}
OURS = {*MAY_IMPORT, "tests", "benchmarks"}
MODULES = sorted(path.relative_to(ROOT) for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
RECIPES = [path for path in MODULES if path.parts[0] == "recipes" and path.stem[0] == "s" and path.stem[1:2].isdigit()]
HEAVY = {"torch", "torchvision", "ignite", "albumentations", "cv2", "matplotlib", "sklearn", "tensorboardX"}


def imported_modules(source: str) -> Iterator[str]:
    """The dotted names that a file imports anywhere in it, inside functions and by string too.

    Relative imports are left out: they cannot leave their package.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            values = (argument.value for argument in node.args if isinstance(argument, ast.Constant))
            yield from (value for value in values if isinstance(value, str))


def wrong_arrows(package: str, source: str) -> set[str]:
    return {
        module
        for module in imported_modules(source)
        if (top := module.split(".")[0]) in OURS and top not in MAY_IMPORT[package]
    }


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_keep_to_the_arrows(path: Path) -> None:
    assert wrong_arrows(path.parts[0], (ROOT / path).read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("package", "source", "wrong"),
    [
        ("framework", "import torch, architectures.registry as r", {"architectures.registry"}),
        ("framework", "def f():\n    from recipes import s7_cifar", {"recipes"}),
        ("architectures", "if TYPE_CHECKING:\n    from framework.errors import DataError", {"framework.errors"}),
        ("architectures", "importlib.import_module('framework.errors')", {"framework.errors"}),
        ("recipes", "__import__('tests.conftest')", {"tests.conftest"}),
        ("recipes", "import framework.errors, architectures\nfrom frameworks import x\nfrom . import tests", set()),
    ],
)
def test_a_wrong_arrow_is_found(package: str, source: str, wrong: set[str]) -> None:
    assert wrong_arrows(package, source) == wrong


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_a_recipe_is_imported_without_anything_heavy(path: Path) -> None:
    code = f"import sys, {'.'.join(path.with_suffix('').parts)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"click", "framework"} <= loaded
    assert loaded.isdisjoint(HEAVY)
