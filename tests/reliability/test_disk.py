"""A disk that is full, a file that is damaged: it is said, and the checkpoint before is still there."""

import functools
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from framework.checkpoint.file_format import load_checkpoint, save_checkpoint
from framework.checkpoint.manager import checkpoint_paths, latest_checkpoint, write_checkpoint
from framework.errors import CheckpointError
from framework.run.directory import RunDirectory
from tests.reliability import processes
from tests.reliability.processes import EVERY_STEP, TRAIN, digest, finish, said


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
    run, folder = RunDirectory(tmp_path), tmp_path / "checkpoints"
    state = {"weights": torch.randn(30_000), "step": 1}
    first = write_checkpoint(run, 1, state, keep=3)
    before = first.read_bytes()
    offsets = range(0, len(before), 4096)
    assert len(offsets) >= 30
    for offset in offsets:
        with largest_file(offset), pytest.raises(OSError, match="File too large"):
            write_checkpoint(run, 2, state | {"step": 2}, keep=3)
        assert [path.name for path in folder.iterdir()] == [first.name]
        assert first.read_bytes() == before
    write_checkpoint(run, 2, state | {"step": 2}, keep=3)
    assert [path.name for path in checkpoint_paths(run)] == ["step-000000002.pt", "step-000000001.pt"]


def test_a_damaged_newest_checkpoint_is_named_set_aside_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, folder = RunDirectory(tmp_path), tmp_path / "checkpoints"
    for step in (1, 2):
        write_checkpoint(run, step, {"weights": torch.arange(2000) * step}, keep=3)
    newest, before = checkpoint_paths(run)
    whole = newest.read_bytes()
    generator = np.random.default_rng(0)
    for place in generator.integers(0, len(whole), 200).tolist():
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]):
            newest.write_bytes(damaged)
            caplog.clear()
            found = latest_checkpoint(run)
            assert found is not None and found[0] == before
            assert torch.equal(found[1]["weights"], torch.arange(2000))
            (said,) = caplog.messages
            assert newest.name in said and "set aside as step-000000002.pt.damaged" in said
            assert (folder / "step-000000002.pt.damaged").read_bytes() == damaged
    before.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(CheckpointError, match=f"no checkpoint in {folder} is whole"):
            latest_checkpoint(run)


def test_old_checkpoints_go_only_when_the_new_one_is_there(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for step in (5, 10, 15):
        write_checkpoint(run, step, {"step": step}, keep=2)
    assert [path.name for path in checkpoint_paths(run)] == ["step-000000015.pt", "step-000000010.pt"]
    with largest_file(100), pytest.raises(OSError, match="File too large"):
        write_checkpoint(run, 20, {"weights": torch.zeros(1000)}, keep=2)
    assert [load_checkpoint(path)["step"] for path in checkpoint_paths(run)] == [15, 10]


def fill_the_disk_after_two() -> None:
    """From the third checkpoint on, no file of the process can be larger than 8 KiB."""
    _limit_at(3, 8192)


def fill_the_disk_for_a_while() -> None:
    """The third to the fifth checkpoint cannot be written."""
    _limit_at(3, 8192)
    _limit_at(6, resource.RLIM_INFINITY)


def _limit_at(n: int, size: int) -> None:
    from framework.checkpoint import manager

    real, calls = manager.save_checkpoint, 0

    def save(path: Path, state: dict[str, object]) -> None:
        nonlocal calls
        calls += 1
        if calls == n:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        real(path, state)

    manager.save_checkpoint = save  # type: ignore[assignment]


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


def with_held_out(val_size: str) -> tuple[str, ...]:
    """The training's options; patience, which comes last, is refused where no images are held out."""
    return TRAIN[: TRAIN.index("--patience")] if val_size == "0" else TRAIN


@pytest.mark.parametrize("val_size", ["150", "0"])
def test_a_disk_that_stays_full_gives_no_result_and_one_that_is_freed_the_right_one(
    tmp_path: Path, val_size: str
) -> None:
    """From the third checkpoint on nothing can be written; the network goes on to learn in memory."""
    options = (*EVERY_STEP, "--val-size", val_size)
    finish = functools.partial(processes.finish, train=with_held_out(val_size))
    assert finish(tmp_path / "whole", *options) == 0, said(tmp_path / "whole")
    folder = tmp_path / "run"
    assert finish(folder, *options, prepare="tests.reliability.test_disk:fill_the_disk_after_two") == 9, said(folder)
    assert "error: the end of the run could not be written: " in said(folder)
    assert "test accuracy" not in said(folder) and not (folder / "results.json").exists()
    assert finish(folder, *options) == 0, said(folder)
    assert digest(folder) == digest(tmp_path / "whole")


@pytest.mark.parametrize("val_size", ["150", "0"])
def test_a_disk_that_is_freed_before_the_end_has_the_best_weights_and_the_figures_of_one_with_room(
    tmp_path: Path, val_size: str
) -> None:
    """Nothing can be written from the second checkpoint until after the last: only the end is."""
    options = ("--checkpoint-every", "1000", "--val-size", val_size)
    finish = functools.partial(processes.finish, train=with_held_out(val_size))
    assert finish(tmp_path / "whole", *options) == 0, said(tmp_path / "whole")
    folder = tmp_path / "run"
    assert finish(folder, *options, prepare="tests.reliability.test_disk:fill_the_disk_until_the_end") == 0, said(
        folder
    )
    assert digest(folder) == digest(tmp_path / "whole")


def fill_the_disk_until_the_end() -> None:
    """No checkpoint can be written while the run trains; then there is room."""
    from framework.checkpoint.manager import CheckpointManager

    _limit_at(2, 8192)
    finish = CheckpointManager.finish

    def freed(manager: CheckpointManager) -> None:
        manager.writer.wait()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        finish(manager)

    CheckpointManager.finish = freed  # type: ignore[method-assign]


def test_a_disk_that_is_full_for_a_while_costs_nothing(whole: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert finish(folder, *EVERY_STEP, prepare="tests.reliability.test_disk:fill_the_disk_for_a_while") == 0
    assert said(folder).count("a checkpoint could not be written") == 1
    assert digest(folder) == whole


def test_damage_to_a_run_is_said_and_costs_nothing(whole: dict[str, str], tmp_path: Path) -> None:
    """The newest checkpoint is cut off and the best weights are gone; the resume ends with the same bits."""
    folder = tmp_path / "run"
    stopped = "tests.reliability.test_disk:stop_in_the_third_epoch"
    assert finish(folder, *EVERY_STEP, prepare=stopped) == -9
    newest = checkpoint_paths(RunDirectory(folder))[0]
    newest.write_bytes(newest.read_bytes()[:-1])
    (folder / "best.pt").write_bytes(b"nonsense")
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    assert f"{newest.name} is damaged: its SHA-256" in said(folder)
    assert "best.pt is not a checkpoint" in said(folder) and "written again from the newest checkpoint" in said(folder)
    assert digest(folder) == whole
    assert (newest.parent / f"{newest.name}.damaged").exists()


def stop_in_the_third_epoch() -> None:
    """Dies before a checkpoint of the third epoch: two are there that know the best weights, on a busy disk too."""
    from framework.checkpoint import manager

    real = manager.save_checkpoint

    def save(path: Path, state: dict[str, object]) -> None:
        if path.name > "step-000000016.pt":
            os.kill(os.getpid(), 9)
        real(path, state)

    manager.save_checkpoint = save  # type: ignore[assignment]


def test_the_final_test_is_of_the_weights_in_memory(whole: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert finish(folder, prepare="tests.reliability.test_disk:spoil_the_best_at_the_end") == 0, said(folder)
    results = json.loads((folder / "results.json").read_text())
    assert results.items() >= json.loads(whole["results"]).items()


def spoil_the_best_at_the_end() -> None:
    """When the run is tested, other best weights than its own lie on the disk."""
    from framework.checkpoint.manager import CheckpointManager

    finish = CheckpointManager.finish

    def spoilt(manager: CheckpointManager) -> None:
        finish(manager)
        content = load_checkpoint(manager.run.best)
        weights = {name: torch.zeros_like(value) for name, value in content["model"].items()}
        save_checkpoint(manager.run.best, {**content, "model": weights})

    CheckpointManager.finish = spoilt  # type: ignore[method-assign]
