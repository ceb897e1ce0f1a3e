"""Everything that a run would lose if the machine went away, as one checkpoint and back."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ignite.engine import Engine
from ignite.handlers import EarlyStopping
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from framework.checkpoint import load_weights
from framework.description import Description
from framework.errors import CheckpointError
from framework.nonfinite import NonFiniteGuard
from framework.optimization import load_optimizer, plain_rates, set_rate

Record = dict[str, float]
"""What is known of one epoch: 'epoch', 'loss', 'accuracy', 'lr', 'seconds' and, with held-out images, 'val_loss' and
'val_accuracy'. Accuracies are shares."""


def best_record(history: Sequence[Record]) -> Record | None:
    """The epoch with the best accuracy on held-out images, the earliest of equals; None before there is one."""
    validated = [record for record in history if "val_accuracy" in record]
    return max(validated, key=lambda record: record["val_accuracy"], default=None)


@dataclass(kw_only=True)
class EpochSums:
    """What an epoch has added up so far: loss, share of correct predictions and steps (3,), and their seconds."""

    values: Tensor
    seconds: float = 0.0


@dataclass(kw_only=True)
class TrainingState:
    """The parts of a training that change as it goes on, at any step.

    `description` is what a reader of the checkpoint needs to use the weights: architecture, classes, statistics.
    `best_weights` are those of the best epoch on held-out images. `cycles` are the steps at which the schedule began:
    0, and one for each time that a finished run was trained on. There is no generator state: every draw is keyed on
    its step (see `framework.randomness`).
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LambdaLR
    trainer: Engine
    description: Description
    sums: EpochSums
    guard: NonFiniteGuard
    ema: AveragedModel | None = None
    early_stopping: EarlyStopping | None = None
    history: list[Record] = field(default_factory=list)
    best_weights: dict[str, Tensor] | None = None
    stopped_early: bool = False
    cycles: list[int] = field(default_factory=lambda: [0])

    @property
    def step(self) -> int:
        """The steps that have been taken."""
        return int(self.trainer.state.iteration)

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
        """Tensors and plain values only; the tensors are those in use, not copies."""
        return {
            "description": dataclasses.asdict(self.description),
            "model": self.model.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "optimizer": plain_rates(self.optimizer.state_dict()),
            "schedule": self.schedule.state_dict(),
            "iteration": self.step,
            "epoch_length": self.trainer.state.epoch_length,
            "sums": {"values": self.sums.values, "seconds": self.sums.seconds},
            "early_stopping": None if self.early_stopping is None else dict(self.early_stopping.state_dict()),
            "history": self.history,
            "best_weights": self.best_weights,
            "stopped_early": self.stopped_early,
            "cycles": self.cycles,
            "skipped": self.guard.skipped,
        }

    def load_state_dict(
        self, state: Mapping[str, Any], source: str, *, max_epochs: int, new_cycle: bool = False
    ) -> None:
        """Goes back to a checkpoint, to train up to `max_epochs`; `source` names it in errors.

        A `new_cycle` keeps its own fresh schedule and early stopping. Raises CheckpointError if it lacks a part or is
        of another architecture.
        """
        try:
            load_weights(self.model, state["model"], source)
            if self.ema is not None:
                load_weights(self.ema, state["ema"], source)
            load_optimizer(self.optimizer, state["optimizer"])
            if new_cycle:
                for group, rate in zip(self.optimizer.param_groups, self.schedule.get_last_lr(), strict=True):
                    set_rate(group, rate)
            else:
                self.schedule.load_state_dict(state["schedule"])
            position = {"iteration": state["iteration"], "epoch_length": state["epoch_length"]}
            self.trainer.load_state_dict(position | {"max_epochs": max_epochs})
            self.sums.values.copy_(state["sums"]["values"])
            self.sums.seconds = state["sums"]["seconds"]
            if self.early_stopping is not None and not new_cycle:
                self.early_stopping.load_state_dict(state["early_stopping"])
            self.history[:] = state["history"]
            self.best_weights = state["best_weights"]
            self.stopped_early = state["stopped_early"] and not new_cycle
            self.cycles = list(state["cycles"])
            if new_cycle and self.cycles[-1] != self.step:
                self.cycles.append(self.step)
            self.guard.skipped = state["skipped"]
        except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{source} lacks a part of the training's state: {error}") from error


def reported_weights(checkpoint: Mapping[str, Any]) -> Any:
    """The weights that a checkpoint of a training reports: the averaged ones where there are some."""
    ema = checkpoint.get("ema")
    if not isinstance(ema, dict):
        return checkpoint.get("model")
    return {name.removeprefix("module."): value for name, value in ema.items() if str(name).startswith("module.")}
