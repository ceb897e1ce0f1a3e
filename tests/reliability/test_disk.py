"""A disk that is full, a file that is damaged: it is said, and the checkpoint before is still there."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from framework.checkpoint.generations import Generations

from framework.checkpoint.file_format import load_checkpoint
from framework.errors import CheckpointError
from tests.reliability.processes import digest, finish, said

EVERY_STEP = ("--checkpoint-every", "3")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_at_any_offset_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    state = {"weights": torch.randn(30_000), "step": 1}
    first = generations.save(1, state)
    before = first.read_bytes()
    offsets = range(0, len(before), 4096)
    assert len(offsets) >= 30
    for offset in offsets:
        with largest_file(offset), pytest.raises(OSError, match="File too large"):
            generations.save(2, state | {"step": 2})
        assert [path.name for path in tmp_path.iterdir()] == [first.name]
        assert first.read_bytes() == before
    generations.save(2, state | {"step": 2})
    assert [path.name for path in generations.paths()] == ["step-000000002.pt", "step-000000001.pt"]


def test_a_damaged_newest_checkpoint_is_named_set_aside_and_skipped(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    for step in (1, 2):
        generations.save(step, {"weights": torch.arange(2000) * step})
    newest, before = generations.paths()
    whole = newest.read_bytes()
    generator = np.random.default_rng(0)
    for place in generator.integers(0, len(whole), 200).tolist():
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]):
            newest.write_bytes(damaged)
            told: list[str] = []
            found = generations.newest(told.append)
            assert found is not None and found[0] == before
            assert torch.equal(found[1]["weights"], torch.arange(2000))
            assert len(told) == 1 and newest.name in told[0] and "set aside as step-000000002.pt.damaged" in told[0]
            assert (tmp_path / "step-000000002.pt.damaged").read_bytes() == damaged
    (tmp_path / before.name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=f"no checkpoint in {tmp_path} is whole"):
        generations.newest(told.append)
    with pytest.raises(CheckpointError, match=f"no checkpoint in {tmp_path} is whole"):
        generations.newest(told.append)


def test_the_old_generations_go_only_when_the_new_one_is_there(tmp_path: Path) -> None:
    generations = Generations(tmp_path, keep=2)
    for step in (5, 10, 15):
        generations.save(step, {"step": step})
    assert [path.name for path in generations.paths()] == ["step-000000015.pt", "step-000000010.pt"]
    with largest_file(100), pytest.raises(OSError, match="File too large"):
        generations.save(20, {"weights": torch.zeros(1000)})
    assert [load_checkpoint(path)["step"] for path in generations.paths()] == [15, 10]


def fill_the_disk_after_two() -> None:
    """From the third checkpoint on, no file of the process can be larger than 8 KiB."""
    _limit_at(3, 8192)


def fill_the_disk_for_a_while() -> None:
    """The third to the fifth checkpoint cannot be written."""
    _limit_at(3, 8192)
    _limit_at(6, resource.RLIM_INFINITY)


def _limit_at(n: int, size: int) -> None:
    from framework import generations

    real, calls = generations.save_checkpoint, 0

    def save(path: Path, state: dict[str, object]) -> None:
        nonlocal calls
        calls += 1
        if calls == n:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        real(path, state)

    generations.save_checkpoint = save  # type: ignore[assignment]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    return digest(folder)


def test_a_full_disk_stops_the_run_if_that_is_asked_for(whole: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    filled = "tests.reliability.test_disk:fill_the_disk_after_two"
    assert finish(folder, *EVERY_STEP, "--on-save-failure", "stop", prepare=filled) == 9, said(folder)
    assert "error: a checkpoint could not be written: " in said(folder)
    assert "File too large; the one before it is still there" in said(folder)
    assert "Traceback" not in said(folder)
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    assert digest(folder) == whole


def test_a_full_disk_lets_the_run_go_on_and_ends_it_where_it_cannot_be_written_up(
    whole: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    filled = "tests.reliability.test_disk:fill_the_disk_after_two"
    assert finish(folder, *EVERY_STEP, prepare=filled) == 9, said(folder)
    assert said(folder).count("a checkpoint could not be written") == 1
    assert "training goes on" in said(folder) and "epoch 4/4" in said(folder)
    assert "free some space, and --resume goes on" in said(folder)
    assert "Traceback" not in said(folder)
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    assert digest(folder) == whole


def test_a_disk_that_is_full_for_a_while_costs_nothing(whole: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert finish(folder, *EVERY_STEP, prepare="tests.reliability.test_disk:fill_the_disk_for_a_while") == 0
    assert said(folder).count("a checkpoint could not be written") == 1
    assert digest(folder) == whole


def test_damage_to_a_run_is_said_and_costs_nothing(whole: dict[str, str], tmp_path: Path) -> None:
    """The newest checkpoint is cut off and the best weights are gone; the resume ends with the same bits."""
    folder = tmp_path / "run"
    stopped = "tests.reliability.test_disk:stop_at_the_sixth"
    assert finish(folder, *EVERY_STEP, prepare=stopped) == -9
    newest = Generations(folder / "checkpoints").paths()[0]
    newest.write_bytes(newest.read_bytes()[:-1])
    (folder / "best.pt").write_bytes(b"nonsense")
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    assert f"{newest.name} is damaged: its SHA-256" in said(folder)
    assert "best.pt is not a checkpoint" in said(folder) and "written again from the newest checkpoint" in said(folder)
    assert digest(folder) == whole
    assert (newest.parent / f"{newest.name}.damaged").exists()


def stop_at_the_sixth() -> None:
    """Dies before the sixth checkpoint."""
    from framework import generations

    real, calls = generations.save_checkpoint, 0

    def save(path: Path, state: dict[str, object]) -> None:
        nonlocal calls
        calls += 1
        if calls == 6:
            os.kill(os.getpid(), 9)
        real(path, state)

    generations.save_checkpoint = save  # type: ignore[assignment]
