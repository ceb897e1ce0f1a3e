"""What a resume must not write over: files that it may not read, and a run whose checkpoints are gone."""

import ctypes
import shutil
from pathlib import Path

import pytest

from tests.framework.experiment.running import snapshot
from tests.reliability.processes import finish, said

EVERY_STEP = ("--checkpoint-every", "3", "--epochs", "2")


def without_privileges() -> None:
    """Takes from root the right to read everything; its files are still its own."""
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, nothing) == 0


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, not to be changed."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(kept, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("unreadable", ["checkpoints/step-000000016.pt", "checkpoints", "best.pt", "."])
def test_what_may_not_be_read_is_left_as_it_is(folder: Path, unreadable: str) -> None:
    (folder / "results.json").unlink()
    (folder / unreadable).chmod(0)
    code = finish(folder, *EVERY_STEP, prepare="tests.reliability.test_kept_runs:without_privileges")
    (folder / unreadable).chmod(0o755)
    last = said(folder).splitlines()[-1]
    assert code in (2, 4, 5), said(folder)
    said_why = "ermission denied" in last or "not readable" in last
    assert last.lower().startswith("error: ") and said_why and "Traceback" not in said(folder)
    assert not list(folder.rglob("*.damaged"))


def test_a_finished_run_without_checkpoints_is_not_begun_again(folder: Path) -> None:
    shutil.rmtree(folder / "checkpoints")
    before = snapshot(folder)
    for name, left in (("results.json", "weights.safetensors"), ("weights.safetensors", "best.pt")):
        (folder / name).unlink()
        before.pop(name)
        assert finish(folder, *EVERY_STEP) == 5, said(folder)
        assert f"beginning again would write over {left}" in said(folder).splitlines()[-1]
        assert snapshot(folder) == before
