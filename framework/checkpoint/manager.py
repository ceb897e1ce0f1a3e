"""The checkpoints of a run: the newest few, and the best weights."""

import functools
import logging
import re
from pathlib import Path
from typing import Any

from framework.checkpoint.file_format import load_checkpoint, save_checkpoint
from framework.checkpoint.training_state import TrainingState
from framework.checkpoint.writer import BackgroundWriter, snapshot
from framework.config import SafetyConfig
from framework.errors import CheckpointError, SaveError, UnreadableError
from framework.run.directory import RunDirectory

logger = logging.getLogger(__name__)


def checkpoint_paths(run: RunDirectory) -> list[Path]:
    """The checkpoints of a run, named by their step, the newest first; none where there is no folder."""
    try:
        found = list(run.checkpoints.iterdir()) if run.checkpoints.is_dir() else []
    except OSError as error:
        raise UnreadableError(f"{run.checkpoints} cannot be read: {error.strerror}") from error
    steps = {path: match[1] for path in found if (match := re.fullmatch(r"step-(\d{9,})\.pt", path.name))}
    return sorted(steps, key=lambda path: int(steps[path]), reverse=True)


def latest_checkpoint(run: RunDirectory) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that proves whole, with its content; None if there never was one.

    A damaged one is logged and set aside under another name. Raises CheckpointError if there were some and none is
    whole, UnreadableError for one that may be whole but cannot be read.
    """
    paths = checkpoint_paths(run)
    for path in paths:
        try:
            return path, load_checkpoint(path)
        except UnreadableError:
            raise
        except CheckpointError as error:
            aside = path.with_name(f"{path.name}.damaged")
            path.replace(aside)
            logger.warning("%s; set aside as %s, going back to the checkpoint before it", error, aside.name)
    if paths or any(run.checkpoints.glob("*.damaged")):
        raise CheckpointError(f"no checkpoint in {run.checkpoints} is whole; begin again with another --out")
    return None


def write_checkpoint(run: RunDirectory, step: int, content: dict[str, Any], keep: int) -> Path:
    """Writes the checkpoint of a step, then removes all but the newest `keep`; raises OSError if it cannot be written.

    One of the same step is replaced. The old ones go only when the new one is on the disk.
    """
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    path = run.checkpoints / f"step-{step:09d}.pt"
    save_checkpoint(path, content)
    for old in checkpoint_paths(run)[keep:]:
        old.unlink(missing_ok=True)
    return path


def repair_best(run: RunDirectory, checkpoint: dict[str, Any]) -> None:
    """Writes the best weights again from a checkpoint, if there are some and their own file is damaged or missing."""
    if checkpoint.get("best_weights") is None:
        return
    try:
        load_checkpoint(run.best)
    except UnreadableError:
        raise
    except CheckpointError as error:
        save_checkpoint(run.best, best_checkpoint(checkpoint))
        logger.warning("%s; written again from the newest checkpoint", error)


def best_checkpoint(content: dict[str, Any]) -> dict[str, Any]:
    """Of a state's content what `best.pt` keeps: enough to use the best weights, not to train on."""
    return {"metadata": content["metadata"], "model": content["best_weights"], "history": content["history"]}


class CheckpointManager:
    """Saves a training in its run directory, beside it, in a thread; without `writes` it does nothing.

    The newest `keep_checkpoints` are kept. A checkpoint that cannot be written raises SaveError at a later call, if
    `on_save_failure` is 'stop'; otherwise that is logged, and what could not be written is tried again with the next.
    """

    def __init__(self, state: TrainingState, run: RunDirectory, safety: SafetyConfig, *, writes: bool = True) -> None:
        self.state, self.run, self.writes = state, run, writes
        self.keep = safety.keep_checkpoints
        self._best_is_due = False
        self._saved_step = state.step
        self.writer = BackgroundWriter(safety.checkpoint_every, stops=safety.on_save_failure == "stop")

    @property
    def newest(self) -> str:
        """The name of the newest checkpoint, or 'the beginning' where there is none."""
        paths = checkpoint_paths(self.run)
        return paths[0].name if paths else "the beginning"

    def save(self, *, best: bool = False) -> None:
        """Has the state as it is now written as a checkpoint, and its best weights too if they are new."""
        if not self.writes:
            return
        self.state.guard.check()
        self.writer.submit(functools.partial(self._write, self.state.step, snapshot(self.state.state_dict()), best))

    def save_if_due(self) -> None:
        """Saves if the last checkpoint is as long ago as the configuration allows."""
        if self.writes and self.writer.due(self.state.step):
            self.save()

    def finish(self) -> None:
        """Waits until the last state and the best weights are on the disk, and tries once more if they are not.

        Raises SaveError if they still cannot be written.
        """
        self.writer.wait()
        if self.writes and (self._best_is_due or self._saved_step != self.state.step):
            try:
                self._write(self.state.step, self.state.state_dict(), self._best_is_due)
            except OSError as error:
                raise SaveError(
                    f"the end of the run could not be written: {error}; free some space, and --resume goes on from "
                    f"{self.newest}"
                ) from error

    def close(self) -> None:
        """Waits until all is written; may be called again."""
        self.writer.close()

    def _write(self, step: int, content: dict[str, Any], best: bool) -> None:
        self._best_is_due = best or self._best_is_due
        if self._best_is_due:
            save_checkpoint(self.run.best, best_checkpoint(content))
            self._best_is_due = False
        write_checkpoint(self.run, step, content, self.keep)
        self._saved_step = step
