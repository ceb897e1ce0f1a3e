"""Which code runs: the commit of its repository, and a hash of its files."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from framework.errors import EmberfieldError

COMMIT = "EMBERFIELD_COMMIT"
"""The environment variable that names the commit where there is no repository, as `git rev-parse HEAD` printed it."""

SUFFIXES = (".py", ".json")
"""Of the files that are hashed."""


@dataclass(frozen=True)
class CodeVersion:
    """A commit, and the SHA-256 of the source files, by which two copies without a repository are compared."""

    commit: str
    source_sha256: str


def git(root: Path, *arguments: str) -> str | None:
    """What git prints for the repository at `root`, without the newline; None where there is none, or no git."""
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit_of(root: Path) -> str | None:
    """The commit of the repository at `root`; without one what COMMIT says, None if it is not set.

    Raises EmberfieldError for a COMMIT that is no whole hash.
    """
    if (root / ".git").exists():
        return git(root, "rev-parse", "HEAD")
    given = os.environ.get(COMMIT)
    if given is not None and not re.fullmatch(r"[0-9a-f]{40}", given):
        raise EmberfieldError(
            f"{COMMIT} is {given!r}; it takes what `git rev-parse HEAD` prints, 40 hexadecimal digits"
        )
    return given


def root_of(folder: Path) -> Path:
    """The repository that a folder is in; the folder above it where it is in none."""
    parents = folder.resolve().parents
    return next((parent for parent in parents if (parent / ".git").exists()), parents[0])


def source_hash(folders: Iterable[Path]) -> str:
    """The SHA-256 of the names and contents of all files with SUFFIXES in some packages' folders."""
    digest = hashlib.sha256()
    for folder in sorted(folders, key=lambda folder: folder.name):
        for path in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES):
            content = path.read_bytes()
            digest.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def committed_code(root: Path, folders: Iterable[Path]) -> CodeVersion:
    """The version of the code in `folders`, of the repository at `root`.

    Raises EmberfieldError for a working tree with changes, and for code without a repository whose COMMIT is not set.
    """
    commit, changes = commit_of(root), git(root, "status", "--porcelain")
    if commit is None:
        raise EmberfieldError(
            f"{root} is no git repository: set {COMMIT} to what `git rev-parse HEAD` prints where it came from"
        )
    if changes:
        lines = changes.splitlines()
        more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
        raise EmberfieldError(
            f"{root} has changes that are not committed: {', '.join(line[2:].strip() for line in lines[:3])}{more}; "
            "commit them first, so that others can repeat what runs"
        )
    return CodeVersion(commit, source_hash(folders))
