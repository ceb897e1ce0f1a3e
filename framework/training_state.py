"""Everything that a run would lose if the machine went away, as one checkpoint and back."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ignite.engine import Engine
from ignite.handlers import EarlyStopping
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from framework.checkpoint import load_weights
from framework.description import Description
from framework.errors import CheckpointError

Record = dict[str, float]
"""What is known of one epoch: 'epoch', 'loss', 'accuracy', 'lr', 'seconds' and, with held-out images, 'val_loss' and
'val_accuracy'. Accuracies are shares."""


def best_record(history: Sequence[Record]) -> Record | None:
    """The epoch with the best accuracy on held-out images, the earliest of equals; None before there is one."""
    validated = [record for record in history if "val_accuracy" in record]
    return max(validated, key=lambda record: record["val_accuracy"], default=None)


@dataclass(kw_only=True)
class TrainingState:
    """The parts of a training that change as it goes on.

    `description` is what a reader of the checkpoint needs to use the weights: architecture, classes, statistics.
    There is no generator state: every draw is keyed on its step (see `framework.randomness`).
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LambdaLR
    trainer: Engine
    description: Description
    ema: AveragedModel | None = None
    early_stopping: EarlyStopping | None = None
    history: list[Record] = field(default_factory=list)
    stopped_early: bool = False

    @property
    def evaluated(self) -> nn.Module:
        """The network whose accuracy is reported: the averaged one where there is one."""
        module: nn.Module = self.model if self.ema is None else self.ema.module
        return module

    @property
    def best(self) -> Record | None:
        """The epoch that is reported, see `best_record`."""
        return best_record(self.history)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        return {
            "description": dataclasses.asdict(self.description),
            "weights": self.evaluated.state_dict(),
            "model": self.model.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "iteration": self.trainer.state.iteration,
            "epoch_length": self.trainer.state.epoch_length,
            "max_epochs": self.trainer.state.max_epochs,
            "early_stopping": None if self.early_stopping is None else dict(self.early_stopping.state_dict()),
            "history": self.history,
            "stopped_early": self.stopped_early,
        }

    def load_state_dict(self, state: Mapping[str, Any], source: str) -> None:
        """Goes back to a checkpoint; `source` names it in errors.

        Raises CheckpointError if it lacks a part or is of another architecture.
        """
        try:
            load_weights(self.model, state["model"], source)
            if self.ema is not None:
                self.ema.load_state_dict(state["ema"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.trainer.load_state_dict({k: state[k] for k in ("iteration", "epoch_length", "max_epochs")})
            if self.early_stopping is not None:
                self.early_stopping.load_state_dict(state["early_stopping"])
            self.history[:] = state["history"]
            self.stopped_early = state["stopped_early"]
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise CheckpointError(f"{source} lacks a part of the training's state: {error}") from error
