"""What a run goes on from: its newest whole checkpoint, and whether that begins a new cycle of training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from framework.checkpoint import load_checkpoint, save_checkpoint
from framework.config import Config
from framework.description import Description
from framework.errors import CheckpointError, RunDirectoryError
from framework.generations import Generations
from framework.keeping import best_checkpoint
from framework.processes import Processes
from framework.run_directory import RunDirectory, write_text
from framework.sources import ImageData
from framework.training_state import TrainingState


@dataclass(frozen=True)
class Saved:
    """A checkpoint, its name for errors, and what it says of itself.

    In a `new_cycle`, a finished run is trained on: its schedule begins again at the step of the checkpoint.
    """

    checkpoint: dict[str, Any]
    source: str
    description: Description
    new_cycle: bool

    @property
    def cycle_start(self) -> int:
        """The step at which the schedule begins."""
        return int(self.checkpoint["iteration"] if self.new_cycle else self.checkpoint["cycles"][-1])


def read_saved(run: RunDirectory, config: Config, data: ImageData, notify: Callable[[str], None]) -> Saved | None:
    """The checkpoint to go on from, None where there is none yet; `notify` is told of damaged ones.

    Weights of the best epoch that are damaged or missing are written again. Raises RunDirectoryError if the run began
    with other images, CheckpointError if no checkpoint can be used.
    """
    found = Generations(run.checkpoints).newest(notify)
    if found is None:
        return None
    path, checkpoint = found
    description = Description.of(checkpoint, str(path))
    if description.data_hash != data.fingerprint():
        raise RunDirectoryError(
            f"cannot resume {run.path}: it was trained on {description.data}, and {data.name} differs"
        )
    if checkpoint.get("best_weights") is not None:
        _repair_best(run, checkpoint, notify)
    planned = Config().merged_with_file(run.config).training.epochs
    return Saved(checkpoint, str(path), description, new_cycle=config.training.epochs > planned)


def go_on(state: TrainingState, saved: Saved, run: RunDirectory, config: Config, processes: Processes) -> None:
    """Puts a training where its checkpoint was; the first process records a new cycle.

    First in a checkpoint, then in the configuration: a crash in between leaves a run that the same command goes on
    with.
    """
    state.load_state_dict(saved.checkpoint, saved.source, max_epochs=config.training.epochs, new_cycle=saved.new_cycle)
    if saved.new_cycle and processes.first:
        Generations(run.checkpoints, config.safety.keep_checkpoints).save(state.step, state.state_dict())
        write_text(run.config, config.to_json())
        run.results.unlink(missing_ok=True)


def _repair_best(run: RunDirectory, checkpoint: dict[str, Any], notify: Callable[[str], None]) -> None:
    try:
        load_checkpoint(run.best)
    except CheckpointError as error:
        save_checkpoint(run.best, best_checkpoint(checkpoint))
        notify(f"{error}; written again from the newest checkpoint")
