import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from framework.errors import RunDirectoryError
from framework.run.directory import open_run_directory, remove_unused, write_json, write_text

ROOT = Path(__file__).resolve().parents[3]


def test_a_fresh_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    with open_run_directory(tmp_path / "a" / "b", resume=False) as run:
        assert run.path.is_dir()
        assert not run.used


def test_only_a_directory_in_which_nothing_has_begun_is_removed(tmp_path: Path) -> None:
    with open_run_directory(tmp_path / "fresh", resume=False) as run:
        remove_unused(run)
    with open_run_directory(tmp_path / "begun", resume=False) as run:
        write_json(run.config, {})
        remove_unused(run)
    assert [path.name for path in tmp_path.iterdir()] == ["begun"]


def test_a_used_directory_needs_resume(tmp_path: Path) -> None:
    with open_run_directory(tmp_path, resume=True) as run:
        write_json(run.config, {})
    with (
        pytest.raises(RunDirectoryError, match="is not empty: add --resume"),
        open_run_directory(tmp_path, resume=False),
    ):
        pass
    with open_run_directory(tmp_path, resume=True) as run:
        assert run.used


def test_a_directory_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(RunDirectoryError, match="holds no run"), open_run_directory(tmp_path, resume=True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunDirectoryError, match="cannot write to the run directory .*file"),
        open_run_directory(tmp_path / "file" / "run", resume=False),
    ):
        pass


def test_what_a_killed_process_was_writing_is_removed_and_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text("{}")
    for name in (".config.json.123.part", "checkpoints/.step-000000001.pt.123.part"):
        (tmp_path / name).write_bytes(b"half")
    with open_run_directory(tmp_path, resume=True):
        assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
            ".lock",
            "checkpoints",
            "config.json",
        ]
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / ".config.json.123.part").write_bytes(b"half")
    with open_run_directory(fresh, resume=False) as run:
        assert not run.used


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom framework.run.directory import open_run_directory\n"
        "with open_run_directory(Path(sys.argv[1]), resume=False):\n    print('open', flush=True)\n    time.sleep(60)\n"
    )
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "open\n"
        with (
            pytest.raises(RunDirectoryError, match="in use by another process"),
            open_run_directory(folder, resume=True),
        ):
            pass
        first.kill()
    with open_run_directory(folder, resume=True) as run:
        assert not run.used


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(RunDirectoryError, match="cannot write to the run directory"),
        open_run_directory(tmp_path / "run", resume=False),
    ):
        pass


def test_text_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "one")
    write_text(tmp_path / "a.txt", "two")
    assert (tmp_path / "a.txt").read_text() == "two"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_no_file_holds_a_number_that_json_has_not(tmp_path: Path, number: float) -> None:
    write_json(tmp_path / "a.json", {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": number})
    assert (tmp_path / "a.json").read_text() == '{\n  "loss": 1.0\n}\n'
