"""Everything that a run would lose if the machine went away, as one checkpoint and back."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ignite.engine import Engine
from ignite.handlers import EarlyStopping
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from framework.checkpoint.file_format import load_weights
from framework.checkpoint.metadata import ModelMetadata
from framework.errors import CheckpointError
from framework.optim.learning_rates import load_optimizer, plain_rates
from framework.run.exactness import machine_changes
from framework.run.history import EpochMetrics, best_epoch


class Guard(Protocol):
    """Counts the steps that were left out; `check` brings the count up to now, or raises NonFiniteError."""

    skipped: int

    def check(self) -> None:
        """Looks at all steps so far."""


class Stateful(Protocol):
    """A handler whose state is saved with the training, as plain values and tensors."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to it."""


@dataclass(kw_only=True)
class EpochSums:
    """What an epoch has added up so far: loss, share of correct predictions and steps (3,), and their seconds."""

    values: Tensor
    seconds: float = 0.0


@dataclass(kw_only=True)
class TrainingState:
    """The parts of a training that change as it goes on, at any step.

    `metadata` is what a reader of the checkpoint needs to use the weights: architecture, classes, statistics.
    `best_weights` are those of the best epoch on the validation images. `handlers` are further ones with a state, by
    name. `machine` is what the bits depend on beside settings and code, and `inexact` says where that changed, so that
    the run may differ from one that was left alone. There is no generator state: every draw is keyed on its step (see
    `framework.seeding`).
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LambdaLR
    trainer: Engine
    metadata: ModelMetadata
    sums: EpochSums
    guard: Guard
    ema: AveragedModel | None = None
    early_stopping: EarlyStopping | None = None
    handlers: dict[str, Stateful] = field(default_factory=dict)
    history: list[EpochMetrics] = field(default_factory=list)
    best_weights: dict[str, Tensor] | None = None
    stopped_early: bool = False
    machine: dict[str, str | int] = field(default_factory=dict)
    inexact: list[str] = field(default_factory=list)

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
    def best(self) -> EpochMetrics | None:
        """The epoch that is reported, see `best_epoch`."""
        return best_epoch(self.history)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only; the tensors are those in use, not copies."""
        return {
            "metadata": dataclasses.asdict(self.metadata),
            "model": self.model.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "optimizer": plain_rates(self.optimizer.state_dict()),
            "schedule": self.schedule.state_dict(),
            "iteration": self.step,
            "epoch_length": self.trainer.state.epoch_length,
            "sums": {"values": self.sums.values, "seconds": self.sums.seconds},
            "early_stopping": None if self.early_stopping is None else dict(self.early_stopping.state_dict()),
            "handlers": {name: handler.state_dict() for name, handler in self.handlers.items()},
            "history": self.history,
            "best_weights": self.best_weights,
            "stopped_early": self.stopped_early,
            "skipped": self.guard.skipped,
            "machine": self.machine,
            "inexact": self.inexact,
        }

    def load_state_dict(self, state: Mapping[str, Any], source: str, *, max_epochs: int) -> None:
        """Goes back to a checkpoint, to train up to `max_epochs`; `source` names it in errors.

        Raises CheckpointError if it lacks a part or is of another architecture.
        """
        try:
            load_weights(self.model, state["model"], source)
            if self.ema is not None:
                load_weights(self.ema, state["ema"], source)
            load_optimizer(self.optimizer, state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            position = {"iteration": state["iteration"], "epoch_length": state["epoch_length"]}
            self.trainer.load_state_dict(position | {"max_epochs": max_epochs})
            self.sums.values.copy_(state["sums"]["values"])
            self.sums.seconds = state["sums"]["seconds"]
            if self.early_stopping is not None:
                self.early_stopping.load_state_dict(state["early_stopping"])
            for name, handler in self.handlers.items():
                handler.load_state_dict(state["handlers"][name])
            self.history[:] = state["history"]
            self.best_weights = state["best_weights"]
            self.stopped_early = state["stopped_early"]
            self.guard.skipped = state["skipped"]
            self.inexact = [*state["inexact"], *machine_changes(state["machine"], self.machine)]
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
