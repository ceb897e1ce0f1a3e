"""What of a training is kept, when, and by whom."""

import copy
import errno
import threading
from pathlib import Path
from typing import Any

import pytest

from framework.checkpoint import manager as module
from framework.checkpoint.comparison import first_difference
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import CheckpointManager, checkpoint_paths, latest_checkpoint
from framework.checkpoint.resume import resume_point
from framework.config import SafetyConfig
from framework.errors import SaveError, UnreadableError
from framework.run.directory import RunDirectory
from tests.framework.small_training import SmallTraining, make_small_training


@pytest.fixture
def training(tmp_path: Path) -> SmallTraining:
    trained = make_small_training(tmp_path / "run", epochs=1, checkpoint_every="1000")
    trained.run()
    return trained


def manager_of(training: SmallTraining, folder: Path, *, writes: bool = True, **safety: str) -> CheckpointManager:
    folder.mkdir(exist_ok=True)
    return CheckpointManager(training.state, RunDirectory(folder), SafetyConfig(**safety), writes=writes)


def test_the_state_of_the_moment_is_kept_although_training_goes_on_before_it_is_written(
    training: SmallTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, save = threading.Event(), module.save_checkpoint

    def save_late(*arguments: Any) -> None:
        assert changed.wait(10)
        save(*arguments)

    monkeypatch.setattr(module, "save_checkpoint", save_late)
    manager = manager_of(training, tmp_path / "kept")
    assert manager.newest == "the beginning"
    expected = copy.deepcopy(training.state.state_dict())
    manager.save()
    for parameter in training.state.model.parameters():
        parameter.data.zero_()
    changed.set()
    manager.close()
    assert manager.newest == "step-000000010.pt"
    kept = load_checkpoint(tmp_path / "kept" / "checkpoints" / manager.newest)
    assert first_difference(kept, expected) is None


def test_the_best_weights_are_kept_if_they_are_new(training: SmallTraining, tmp_path: Path) -> None:
    best = tmp_path / "kept" / "best.pt"
    for new in (False, True):
        manager = manager_of(training, tmp_path / "kept")
        manager.save(best=new)
        manager.close()
        assert best.exists() is new
    assert first_difference(load_checkpoint(best)["model"], training.state.best_weights) is None


def test_a_process_that_is_not_to_write_writes_nothing(training: SmallTraining, tmp_path: Path) -> None:
    manager = manager_of(training, tmp_path / "kept", writes=False, checkpoint_every="1")
    manager.save(best=True)
    manager.save_if_due()
    manager.close()
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize(("every", "due"), [("5", True), ("7", False), ("0s", True), ("1000s", False)])
def test_it_is_due_by_steps_or_by_seconds(training: SmallTraining, tmp_path: Path, every: str, due: bool) -> None:
    manager = manager_of(training, tmp_path / "kept", checkpoint_every=every)
    manager.save_if_due()
    manager.close()
    assert (manager.newest != "the beginning") is due


def test_a_checkpoint_that_cannot_be_written_is_logged_or_stops_the_run(
    training: SmallTraining, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "checkpoints").write_text("a file where the folder would be")
    patient = manager_of(training, tmp_path / "kept")
    patient.save()
    patient.close()
    (told,) = caplog.messages
    assert "a checkpoint could not be written" in told
    strict = manager_of(training, tmp_path / "kept", on_save_failure="stop")
    strict.save()
    with pytest.raises(SaveError, match="could not be written"):
        strict.close()


def test_best_weights_that_could_not_be_written_are_written_with_the_next_checkpoint(
    training: SmallTraining, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    best = tmp_path / "kept" / "best.pt"
    best.mkdir(parents=True)  # in the way
    manager = manager_of(training, tmp_path / "kept")
    manager.save(best=True)
    manager.writer.wait()
    assert "a checkpoint could not be written" in caplog.text
    best.rmdir()
    manager.save()
    manager.close()
    assert first_difference(load_checkpoint(best)["model"], training.state.best_weights) is None


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(training: SmallTraining, tmp_path: Path) -> None:
    """A link in a circle fails as a missing permission does, for root too."""
    manager = manager_of(training, tmp_path / "kept")
    manager.save()
    manager.close()
    newest = manager.run.checkpoints / "step-000000099.pt"
    newest.symlink_to(newest)
    with pytest.raises(UnreadableError, match="cannot be read"):
        latest_checkpoint(manager.run)
    assert newest.is_symlink() and not list(manager.run.checkpoints.glob("*.damaged"))
    newest.unlink()
    assert latest_checkpoint(manager.run) is not None


def test_a_folder_of_checkpoints_that_cannot_be_read_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    RunDirectory(tmp_path).checkpoints.mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UnreadableError, match="checkpoints cannot be read: Permission denied"):
        checkpoint_paths(RunDirectory(tmp_path))


def test_best_weights_that_cannot_be_read_are_not_begun_again_over(training: SmallTraining, tmp_path: Path) -> None:
    RunDirectory(tmp_path).best.mkdir()  # a folder fails as a missing permission does, for root too
    with pytest.raises(UnreadableError, match=r"best\.pt cannot be read"):
        resume_point(RunDirectory(tmp_path), training.images.data)
