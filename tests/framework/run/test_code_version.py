import subprocess
from pathlib import Path

import pytest

from framework.errors import EmberfieldError
from framework.run.code_version import COMMIT, commit_of, committed_code, root_of, source_hash


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_only_committed_code_has_a_version(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "a.py").write_text("1")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--no-gpg-sign", "--message", "first")
    found = committed_code(root_of(package), [package])
    assert found.commit == git(tmp_path, "rev-parse", "HEAD") and found.source_sha256 == source_hash([package])
    (tmp_path / "new").write_text("not added")
    with pytest.raises(EmberfieldError, match="has changes that are not committed: new; commit them first"):
        committed_code(root_of(package), [package])


def test_without_a_repository_the_commit_is_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COMMIT, raising=False)
    with pytest.raises(EmberfieldError, match=f"is no git repository: set {COMMIT}"):
        committed_code(tmp_path, [])
    monkeypatch.setenv(COMMIT, "HEAD")
    with pytest.raises(EmberfieldError, match=f"{COMMIT} is 'HEAD'; it takes what `git rev-parse HEAD` prints, 40"):
        commit_of(tmp_path)
    monkeypatch.setenv(COMMIT, "0123456789" * 4)
    assert committed_code(tmp_path, []).commit == "0123456789" * 4


def test_the_hash_is_that_of_names_and_contents_wherever_they_lie(tmp_path: Path) -> None:
    hashes = []
    for place, name, text in (("a", "x.py", "1"), ("b", "x.py", "1"), ("c", "x.py", "2"), ("d", "y.py", "1")):
        (folder := tmp_path / place / "package").mkdir(parents=True)
        (folder / name).write_text(text)
        (folder / "notes.txt").write_text(place)
        hashes.append(source_hash([folder]))
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3
