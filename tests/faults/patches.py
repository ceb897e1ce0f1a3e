"""The patches, and what is done with one."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Fault:
    """`what` it breaks, and the arguments of pytest for the `test` that catches it."""

    path: Path
    what: str
    test: tuple[str, ...]

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
    return [read_fault(path) for path in sorted(HERE.glob("*.patch"))]


def applies(fault: Fault, tree: Path, *, check: bool = False) -> bool:
    """Applies a patch to a tree, or with `check` only finds out whether it would."""
    command = ["git", "apply", *(["--check"] if check else []), str(fault.path)]
    return subprocess.run(command, cwd=tree, capture_output=True).returncode == 0


def copy_tree(target: Path) -> None:
    """Copies what git tracks, without the patches' own tests."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def passes(test: tuple[str, ...], tree: Path) -> bool:
    """Whether pytest passes in a tree; finding no test is not passing. Raises RuntimeError if pytest cannot run."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *test]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest {' '.join(test)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0
