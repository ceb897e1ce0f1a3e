"""The patches, and what is done with one."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Result:
    """Whether the tests `passed`, else the first that `failed`; what pytest wrote, and how long it ran."""

    passed: bool
    failed: str
    output: str
    seconds: float


@dataclass(frozen=True)
class Fault:
    """`what` it breaks, and the `tests` of which one has to catch it, as pytest's node ids."""

    path: Path
    what: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its number and what it is about."""
        return self.path.stem


def read_fault(path: Path) -> Fault:
    """A fault from its patch. Raises ValueError for one whose first lines do not say what it is."""
    first, second, *_ = path.read_text(encoding="utf-8").splitlines()
    if not first.startswith("fault: ") or not second.startswith("test: tests/"):
        raise ValueError(f"{path.name} has to begin with 'fault: ...' and 'test: tests/...'")
    return Fault(path, first.removeprefix("fault: "), tuple(second.removeprefix("test: ").split()))


def faults() -> list[Fault]:
    """All of them, in the order of their numbers."""
    return [read_fault(path) for path in sorted(HERE.glob("*.patch"), key=lambda path: int(path.name.split("-")[0]))]


def applies(fault: Fault, tree: Path, *, check: bool = False) -> bool:
    """Applies a patch to a tree, or with `check` only finds out whether it would."""
    command = ["git", "apply", *(["--check"] if check else []), str(fault.path)]
    return subprocess.run(command, cwd=tree, capture_output=True).returncode == 0


def copy_tree(target: Path) -> None:
    """Copies what git tracks, as it is in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def run_tests(tests: Sequence[str], tree: Path) -> Result:
    """Runs tests in a tree up to the first that fails. Raises RuntimeError if pytest cannot run or finds none."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    outer = ("EMBERFIELD_SOAK", "PYTEST_")  # short tests, and no settings of a pytest around this one
    kept = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    environment = kept | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    began = time.monotonic()
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    named = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return Result(done.returncode == 0, *named[:1] or [""], done.stdout, time.monotonic() - began)
