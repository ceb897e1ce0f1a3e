"""Who may import whom: recipes -> {framework, architectures}, which know neither each other nor the recipes.

Inside framework/ each room imports the rooms that ROOMS names, and no others. Imports inside functions, under
TYPE_CHECKING and by string count too.
"""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "framework": {"framework"},
    "architectures": {"architectures"},
    "recipes": {"framework", "architectures"},
}
OURS = {*MAY_IMPORT, "tests", "benchmarks"}
BASIS = {"errors", "seeding", "run", "config"}
ROOMS = {
    "errors": set[str](),
    "seeding": set[str](),
    "distributed": {"errors"},
    "run": {"errors"},
    "config": {"errors", "seeding"},
    "ops": set[str](),
    "optim": {"config"},
    "inspection": {"config", "errors"},
    "data": BASIS,
    "losses": {"data", "errors"},
    "checkpoint": BASIS | {"data", "optim", "ops"},
    "engine": BASIS | {"data", "optim", "ops", "losses", "checkpoint", "distributed"},
    "report": BASIS | {"data", "inspection"},
    "export": BASIS | {"data", "checkpoint", "inspection"},
    "experiment": BASIS
    | {"data", "ops", "losses", "checkpoint", "engine", "distributed", "inspection", "report", "export"},
}
"""The rooms and modules of framework/, with what each may import."""

MODULES = sorted(path.relative_to(ROOT) for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
RECIPES = [path for path in MODULES if path.parts[0] == "recipes" and path.stem != "__init__"]
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


def wrong_arrows(path: Path, source: str) -> set[str]:
    """What a file of ours imports and may not."""
    package, own = path.parts[0], path.with_suffix("").parts
    wrong = set()
    for module in imported_modules(source):
        top, *rest = module.split(".")
        if top not in OURS or (package == "recipes" and module == "recipes"):
            continue
        if top not in MAY_IMPORT[package]:
            wrong.add(module)
        elif package == top == "framework" and rest and len(own) > 1 and own[1] in ROOMS:
            wrong |= {module} if rest[0] not in ROOMS[own[1]] | {own[1]} else set()
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_keep_to_the_arrows(path: Path) -> None:
    assert wrong_arrows(path, (ROOT / path).read_text(encoding="utf-8")) == set()


def test_every_room_is_in_the_table_and_there_is_no_circle() -> None:
    found = {
        path.stem for path in (ROOT / "framework").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__"} == set(ROOMS)
    assert list(graphlib.TopologicalSorter(ROOMS).static_order())  # raises CycleError where there is one


@pytest.mark.parametrize(
    ("path", "source", "wrong"),
    [
        ("framework/data/a.py", "import torch, architectures.registry as r", {"architectures.registry"}),
        ("framework/run/a.py", "def f():\n    from recipes import s7_cifar", {"recipes"}),
        ("framework/run/a.py", "def f():\n    from framework.engine.fit import fit", {"framework.engine.fit"}),
        ("framework/ops/a.py", "if TYPE_CHECKING:\n    import framework.errors", {"framework.errors"}),
        ("framework/data/a.py", "from framework.run.signals import Stop\nfrom framework.data.npz import x", set()),
        ("architectures/a.py", "if TYPE_CHECKING:\n    from framework.errors import E", {"framework.errors"}),
        ("architectures/a.py", "importlib.import_module('framework.errors')", {"framework.errors"}),
        (
            "recipes/a.py",
            "__import__('tests.conftest')\nfrom recipes.s7_cifar import X",
            {"tests.conftest", "recipes.s7_cifar"},
        ),
        ("recipes/a.py", "import framework.errors, architectures\nfrom frameworks import x\nfrom . import y", set()),
    ],
)
def test_a_wrong_arrow_is_found(path: str, source: str, wrong: set[str]) -> None:
    assert wrong_arrows(Path(path), source) == wrong


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_a_recipe_is_imported_without_anything_heavy(path: Path) -> None:
    code = f"import sys, {'.'.join(path.with_suffix('').parts)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"click", "framework"} <= loaded
    assert loaded.isdisjoint(HEAVY)
