"""An epoch around its training steps: what it adds up, and its end."""

import time
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping

from framework.checkpoint.training_state import TrainingState
from framework.checkpoint.writer import snapshot
from framework.config import TrainingConfig
from framework.data.data_module import DataModule
from framework.engine.evaluator import require_finite
from framework.run.history import EpochMetrics


def sum_over_epoch(state: TrainingState) -> None:
    """Attaches the epoch's sums to the trainer; they go on where a resume found them.

    Ignite's own averages start anew at every resume, because the event that begins an epoch fires again.
    """
    sums, trainer = state.sums, state.trainer.state
    mark = time.perf_counter()

    def begin() -> None:
        nonlocal mark
        mark = time.perf_counter()
        if trainer.iteration % (trainer.epoch_length or 1) == 0:
            sums.values.zero_()
            sums.seconds = 0.0

    def add() -> None:
        nonlocal mark
        output: Any = trainer.output
        loss, correct = output
        values = torch.stack([loss, correct, torch.ones_like(loss)]).double()
        sums.values += torch.where(torch.isfinite(loss), values, 0.0)
        now = time.perf_counter()
        sums.seconds, mark = sums.seconds + now - mark, now

    state.trainer.add_event_handler(Events.EPOCH_STARTED, begin)
    state.trainer.add_event_handler(Events.ITERATION_COMPLETED, add)


def make_early_stopping(trainer: Engine, patience: int | None) -> EarlyStopping | None:
    """Ignite's early stopping on the validation accuracy, or None without a patience.

    It is called by `finish_epoch` and not attached, because `attach` resets its counter on events that fire again
    after a resume.
    """
    if patience is None:
        return None
    return EarlyStopping(patience, lambda evaluator: evaluator.state.metrics["accuracy"], trainer)


def finish_epoch(
    state: TrainingState, config: TrainingConfig, data: DataModule, evaluator: Engine, batch_size: int
) -> EpochMetrics:
    """Ends an epoch: validates, keeps the best weights, and decides on an early stop; returns the epoch's metrics.

    Early stopping counts only after the share `patience_from` of the epochs, and never without validation images.
    Nothing is changed before the validation has ended, so one that is interrupted can be done again.
    """
    loss, correct, steps = state.sums.values.tolist()
    epoch_length = int(state.trainer.state.epoch_length or 1)
    metrics: EpochMetrics = {
        "epoch": state.step // epoch_length,
        "loss": loss / max(steps, 1),
        "accuracy": correct / max(steps, 1),
        "lr": float(state.optimizer.param_groups[0]["lr"]),
        "seconds": state.sums.seconds,
    }
    validates = len(data.held_out) > 0
    if validates:
        evaluator.run(data.val_batches(batch_size))
        require_finite(evaluator, f"the validation after epoch {metrics['epoch']}")
        metrics |= {f"val_{name}": float(value) for name, value in evaluator.state.metrics.items()}
    state.history.append(metrics)
    if state.best is metrics:
        state.best_weights = snapshot(state.evaluated.state_dict())
    counts = validates and metrics["epoch"] > config.patience_from * config.epochs
    if state.early_stopping is not None and counts:
        state.early_stopping(evaluator)
        state.stopped_early = bool(state.trainer.should_terminate)
    return metrics
