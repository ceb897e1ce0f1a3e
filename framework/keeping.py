"""What a run keeps of its training: the newest checkpoints, and the best weights."""

from collections.abc import Callable
from typing import Any

from framework.checkpoint import save_checkpoint
from framework.generations import Generations
from framework.run_directory import RunDirectory
from framework.saving import Saver, snapshot
from framework.sections import SafetyConfig
from framework.training_state import TrainingState


class Keeper:
    """Saves a training in its run directory; does nothing in a process that is not to write there.

    A checkpoint that cannot be written raises SaveError at a later call, if that is to stop the run; otherwise `notify`
    is told.
    """

    def __init__(
        self,
        state: TrainingState,
        run: RunDirectory,
        safety: SafetyConfig,
        notify: Callable[[str], None],
        *,
        writes: bool = True,
    ) -> None:
        self.state = state
        self.best = run.best
        self.generations = Generations(run.checkpoints, safety.keep_checkpoints)
        self.saver = Saver(safety.checkpoint_every, stops=safety.on_save_failure == "stop", notify=notify)
        self.writes = writes

    @property
    def newest(self) -> str:
        """The name of the newest checkpoint, or 'the beginning' where there is none."""
        paths = self.generations.paths()
        return paths[0].name if paths else "the beginning"

    def save(self, *, best: bool = False) -> None:
        """Has the state as it is now written as a checkpoint, and its best weights too if they are new."""
        if not self.writes:
            return
        self.state.guard.look()
        step, content = self.state.step, snapshot(self.state.state_dict())

        def write() -> None:
            if best:
                save_checkpoint(self.best, best_checkpoint(content))
            self.generations.save(step, content)

        self.saver.submit(write)

    def save_if_due(self) -> None:
        """Saves if the last checkpoint is as long ago as the configuration allows."""
        if self.writes and self.saver.due(self.state.step):
            self.save()

    def close(self) -> None:
        """Waits until all is written; may be called again."""
        self.saver.close()


def best_checkpoint(content: dict[str, Any]) -> dict[str, Any]:
    """Of a state's content what `best.pt` keeps: enough to use the best weights, not to train on."""
    return {
        "description": content["description"],
        "model": content["best_weights"],
        "history": content["history"],
    }
