"""The trees that are compared: a commit in a `git worktree`, the working tree, and a copy of it with changed seeds."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.equal_computation.cases import CASES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = ("framework", "architectures", "recipes", "weights")
SEEDING = ("framework/seeding.py", "framework/randomness.py")
"""Where the purpose strings stand, by the newer name and by the older one."""

INSTRUCTIONS = {"avx2": ("AVX2", "avx2"), "avx512": ("AVX512_CORE_BF16", "avx512")}
"""ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY. Without avx512_bf16 a step in bfloat16 is twenty times slower."""

Findings = dict[str, dict[str, dict[str, Any]]]
"""By case, precision and process."""


def default_instructions() -> str:
    """The most that this processor has of `INSTRUCTIONS`."""
    return "avx512" if " avx512_bf16 " in _cpuinfo() else "avx2"


def environment(tree: Path, instructions: str, scratch: Path) -> dict[str, str]:
    """The environment of a process that trains in a tree: its own packages first, one thread, fixed instructions."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EMBERFIELD_"))}
    onednn, aten = INSTRUCTIONS[instructions]
    return kept | {
        "PYTHONPATH": str(tree),
        "PYTHONHASHSEED": "0",
        "EMBERFIELD_CACHE": str(scratch / "cache"),
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "ONEDNN_MAX_CPU_ISA": onednn,
        "ATEN_CPU_CAPABILITY": aten,
    }


def findings(
    tree: Path, adapter: str, names: Sequence[str], precisions: Sequence[str], *, instructions: str, scratch: Path
) -> Findings:
    """What a tree computes in each case and precision. Raises RuntimeError with its output if a process fails.

    Cases of one process share one, which saves the imports; those of several have fresh ones for each precision.
    """
    out = Path(tempfile.mkdtemp(dir=scratch))
    fixed = [str(HERE / "probe.py"), "--adapter", adapter, "--data", str(scratch / "images.npz"), "--out", str(out)]
    alone = [name for name in names if name not in CASES or CASES[name].processes == 1]
    jobs = [(alone, list(precisions), 1)] if alone else []
    jobs += [([name], [one], CASES[name].processes) for name in names if name not in alone for one in precisions]
    for cases, wanted, count in jobs:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
        options = [word for name in cases for word in ("--case", name)]
        options += [word for one in wanted for word in ("--precision", one)]
        done = subprocess.run(
            [sys.executable, *launcher, *fixed, *options],
            cwd=tree,
            env=environment(tree, instructions, scratch),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1800,
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"{', '.join(cases)} with {adapter} in {tree} ended with {done.returncode}:\n{done.stdout}"
            )
    found: Findings = {}
    for name in names:
        for precision in precisions:
            files = sorted(out.glob(f"{name}-{precision}-[0-9]*.json"))
            assert len(files) == (CASES[name].processes if name in CASES else 1), (name, precision, files)
            found.setdefault(name, {})[precision] = {
                f"process {rank}": json.loads(file.read_text()) for rank, file in enumerate(files)
            }
    return found


@contextmanager
def worktree(commit: str, scratch: Path) -> Iterator[Path]:
    """A commit checked out in a temporary worktree of this repository, removed at the end."""
    tree = scratch / commit
    _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
    try:
        yield tree
    finally:
        _git("worktree", "remove", "--force", str(tree))


def resolve(commit: str) -> str:
    """The full hash of a commit. Raises RuntimeError if this clone lacks it."""
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").strip()
    except RuntimeError as error:
        raise RuntimeError(
            f"this clone has no commit {commit}; a shallow one gets it by git fetch --unshallow"
        ) from error


def changed_copy(purpose: str, tree: Path) -> None:
    """Copies the working tree's packages to `tree`, and there swaps the middle letters of one purpose string."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", "--", *PACKAGES).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    module = next(tree / name for name in SEEDING if (tree / name).is_file())
    changed, count = re.subn(rf'(?<=, )"{purpose}"', f'"{purpose[::-1]}"', module.read_text(encoding="utf-8"))
    if count != 1:
        raise RuntimeError(f"{module.name} has the purpose string {purpose!r} {count} times, not once")
    module.write_text(changed, encoding="utf-8")


def cache_key(commit: str, instructions: str) -> str:
    """What findings of a commit depend on: the commit, this package's files, the libraries, processor, instructions."""
    libraries = ("torch", "numpy", "pytorch-ignite", "albumentations", "opencv-python-headless", "scikit-learn")
    parts = [commit, instructions, platform.python_version(), *map(importlib.metadata.version, libraries), _cpuinfo()]
    files = ("probe.py", "cases.py", "networks.py", "old_adapter.py")
    return hashlib.sha256("\0".join([*parts, *((HERE / name).read_text() for name in files)]).encode()).hexdigest()[:16]


def _cpuinfo() -> str:
    """Model and flags of the first processor, as Linux says them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return ""
    return " ".join(line for line in lines if line.startswith(("model name", "flags"))) + " "


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
