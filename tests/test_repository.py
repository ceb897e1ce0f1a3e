"""What may be committed: a clone stays small, and runs are not documentation."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LARGEST = 1_000_000
"""Bytes of the largest file that may be committed."""

UNFINISHED = re.compile(r"records/[\w-]+/unfinished-[\w-]+/checkpoints/step-\d+\.pt")
"""The newest checkpoint of a record in training, from which another machine goes on; gone with the finished record."""

RUN_FILES = ("log.jsonl", "results.json")
"""Files of a run directory, which records/ may hold and docs/ may not."""


def committed() -> dict[str, int]:
    """The files in git's index that are in the working tree, with their sizes in bytes."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in paths if path.is_file()}


def problems(sizes: Mapping[str, int]) -> list[str]:
    """What is wrong with files of these paths and sizes, a line for each."""
    found = []
    for name, size in sizes.items():
        folder, *inner = Path(name).parts
        if size > LARGEST:
            found.append(f"{name}: {size:,} bytes; at most {LARGEST:,} may be committed")
        if name.endswith(".pt") and folder != "tests" and not UNFINISHED.fullmatch(name):
            found.append(f"{name}: a checkpoint outside tests/; weights belong into weights/ as .safetensors")
        if folder == "docs" and ("checkpoints" in inner[:-1] or inner[-1] in RUN_FILES):
            found.append(f"{name}: a file of a run in docs/; a record's log and results belong into records/")
    return found


def test_nothing_is_committed_that_does_not_belong_here() -> None:
    sizes = committed()
    assert {"README.md", "tests/test_repository.py"} <= sizes.keys()
    assert problems(sizes) == []


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("weights/large.safetensors", 1_000_001, "at most 1,000,000"),
        ("tests/fixtures/large.npz", 1_000_001, "at most 1,000,000"),
        ("records/quick/network.pt", 1, "outside tests"),
        ("records/quick/unfinished-seed-0/best.pt", 1, "outside tests"),
        ("best.pt", 1, "outside tests"),
        ("docs/gpu/run/log.jsonl", 1, "a run in docs"),
        ("docs/results.json", 1, "a run in docs"),
        ("docs/run/checkpoints/notes.txt", 1, "a run in docs"),
    ],
)
def test_what_does_not_belong_here_is_refused(name: str, size: int, reason: str) -> None:
    (problem,) = problems({name: size})
    assert problem.startswith(f"{name}: ") and reason in problem


def test_what_belongs_here_is_accepted() -> None:
    names = ("tests/fixtures/best.pt", "records/quick/seed-0/log.jsonl", "records/quick/seed-0/results.json")
    newest = "records/quick/unfinished-seed-0/checkpoints/step-000010630.pt"
    assert problems(dict.fromkeys((*names, newest, "docs/checkpoints.md", "README.md"), LARGEST)) == []
