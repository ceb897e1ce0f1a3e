"""Run directories that hold something else, and file systems that lack an operation, by real processes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from framework.errors import RunDirectoryError
from framework.run.atomic import flush_folder, write_bytes
from framework.run.directory import make_run_directory, open_run_directory

ROOT = Path(__file__).resolve().parents[3]
FOREIGN = (
    ".draft.part",
    ".config.json.part",
    ".letter.txt.12.part",
    ".git/.config.json.7.part",
    "mine/.best.pt.9.part",
)


def test_hidden_files_of_others_stay(tmp_path: Path) -> None:
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("precious")
    (tmp_path / "mine").rename(tmp_path / ".mine")  # else the folder is refused
    (tmp_path / ".best.pt.12.part").write_text("half")
    with open_run_directory(tmp_path, resume=False):
        pass
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} - {".lock"}
    assert left == {name.replace("mine", ".mine") for name in FOREIGN}


def test_parts_of_source_and_teachers_are_removed(tmp_path: Path) -> None:
    parts = (".teacher-2.pt.5.part", "source/a/.b.py.5.part", "checkpoints/.step-000000001.pt.5.part")
    for name in ("config.json", *parts, "source/.notes.txt.5.part"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    with open_run_directory(tmp_path, resume=True):
        pass
    assert {path.name for path in tmp_path.rglob("*.part")} == {".notes.txt.5.part"}


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    code = (
        "import time\nfrom framework.run.directory import make_run_directory\n"
        "time.strftime = lambda form: '20260101-000000'\nprint(make_run_directory('s7'))"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    made = {process.communicate(timeout=60)[0].strip() for process in starts}
    assert made == {f"runs/s7-20260101-000000{number}" for number in ("", "-2", "-3")}


def test_a_file_named_runs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").touch()
    with pytest.raises(RunDirectoryError, match="runs"):
        make_run_directory("s7")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_folders_that_cannot_be_flushed_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with open_run_directory(tmp_path / "run", resume=False) as run:
        write_bytes(run.best, b"whole")
    assert run.best.read_bytes() == b"whole"
    (said,) = caplog.messages
    assert "folders cannot be flushed here" in said
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        flush_folder(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EINVAL])
def test_a_folder_that_cannot_be_locked_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    import fcntl

    def lockf(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with open_run_directory(tmp_path, resume=False):
        pass
    (said,) = caplog.messages
    assert f"cannot be locked ({os.strerror(number)})" in said


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    for name in ("a" * 255, "ü" * 127):
        write_bytes(tmp_path / name, b"whole")
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()
