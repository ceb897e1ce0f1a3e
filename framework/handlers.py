"""What happens around the training step, in the order in which it happens."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping

from framework.data import Batch
from framework.saving import snapshot
from framework.training_state import Record, TrainingState


def make_early_stopping(trainer: Engine, patience: int | None) -> EarlyStopping | None:
    """Ignite's early stopping on the accuracy of held-out images, or None without a patience.

    It is called by `finish_epoch` and not attached, because `attach` resets its counter on events that fire again
    after a resume.
    """
    if patience is None:
        return None
    return EarlyStopping(patience, lambda evaluator: evaluator.state.metrics["accuracy"], trainer)


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


def finish_epoch(
    state: TrainingState,
    *,
    epochs: int,
    evaluator: Engine,
    held_out: Callable[[], Iterable[Batch]] | None,
    patience_from: float,
) -> Record:
    """Validates after the last step of an epoch, keeps the best weights, and decides on an early stop; its record.

    `held_out` makes the batches to validate on, or is None when all images are trained on. Early stopping counts
    only after the share `patience_from` of the cycle's epochs, and never without held-out images. Nothing is changed
    before the validation has ended, so one that is interrupted can be done again.
    """
    loss, correct, steps = state.sums.values.tolist()
    epoch_length = int(state.trainer.state.epoch_length or 1)
    record: Record = {
        "epoch": state.step // epoch_length,
        "loss": loss / max(steps, 1),
        "accuracy": correct / max(steps, 1),
        "lr": float(state.optimizer.param_groups[0]["lr"]),
        "seconds": state.sums.seconds,
    }
    if held_out is not None:
        evaluator.run(held_out())
        record |= {f"val_{name}": value for name, value in evaluator.state.metrics.items()}
    state.history.append(record)
    if state.best is record:
        state.best_weights = snapshot(state.evaluated.state_dict())
    first = state.cycles[-1] // epoch_length
    counts = held_out is not None and record["epoch"] - first > patience_from * (epochs - first)
    if state.early_stopping is not None and counts:
        state.early_stopping(evaluator)
        state.stopped_early = bool(state.trainer.should_terminate)
    return record
