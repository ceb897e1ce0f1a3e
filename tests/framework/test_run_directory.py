import os
from pathlib import Path

import pytest

from framework.errors import RunDirectoryError
from framework.run_directory import open_run_directory, write_json, write_text


def test_a_fresh_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    run = open_run_directory(tmp_path / "a" / "b", resume=False)
    assert run.path.is_dir()
    assert not run.used


def test_a_used_directory_needs_resume(tmp_path: Path) -> None:
    run = open_run_directory(tmp_path, resume=True)
    write_json(run.config, {})
    with pytest.raises(RunDirectoryError, match="is not empty: add --resume"):
        open_run_directory(tmp_path, resume=False)
    assert open_run_directory(tmp_path, resume=True).used


def test_a_directory_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(RunDirectoryError, match="holds no run"):
        open_run_directory(tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot write to the run directory .*file"):
        open_run_directory(tmp_path / "file" / "run", resume=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunDirectoryError, match="cannot write to the run directory"):
        open_run_directory(tmp_path / "run", resume=False)


def test_text_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "one")
    write_text(tmp_path / "a.txt", "two")
    assert (tmp_path / "a.txt").read_text() == "two"
    assert len(list(tmp_path.iterdir())) == 1
