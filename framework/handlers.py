"""What happens around the training step, in the order in which it happens."""

import time
from collections.abc import Callable, Iterable

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping
from ignite.metrics import Average

from framework.checkpoint import save_checkpoint
from framework.data import Batch
from framework.run_directory import RunDirectory
from framework.training_state import Record, TrainingState


def make_early_stopping(trainer: Engine, patience: int | None) -> EarlyStopping | None:
    """Ignite's early stopping on the accuracy of held-out images, or None without a patience.

    It is called by `after_every_epoch` and not attached, because `attach` resets its counter on events that fire
    again after a resume.
    """
    if patience is None:
        return None
    return EarlyStopping(patience, lambda evaluator: evaluator.state.metrics["accuracy"], trainer)


def average_over_epoch(trainer: Engine, device: torch.device) -> None:
    """Leaves the epoch's mean loss and accuracy in `trainer.state.metrics`, summed on the device."""
    Average(lambda output: output[0], device=device).attach(trainer, "loss")
    Average(lambda output: output[1], device=device).attach(trainer, "accuracy")


def after_every_epoch(
    state: TrainingState,
    run: RunDirectory,
    *,
    evaluator: Engine,
    held_out: Callable[[], Iterable[Batch]] | None,
    patience_from: float,
    log: Callable[[Record], None],
) -> None:
    """Attaches to the trainer, for the end of each epoch: validate, decide, log, save.

    `held_out` makes the batches to validate on, or is None when all images are trained on. Early stopping counts
    only after the share `patience_from` of the epochs, and never without held-out images. The order matters: a
    checkpoint holds its own epoch's record and early-stopping counter, and `best` is written before `last`, so that a
    resume never finds `last` ahead of it.
    """
    trainer = state.trainer
    began = time.perf_counter()

    def start_clock() -> None:
        nonlocal began
        began = time.perf_counter()

    def record_epoch(engine: Engine) -> None:
        record: Record = {
            "epoch": engine.state.epoch,
            "loss": engine.state.metrics["loss"],
            "accuracy": engine.state.metrics["accuracy"],
            "lr": state.optimizer.param_groups[0]["lr"],
            "seconds": time.perf_counter() - began,
        }
        if held_out is not None:
            evaluator.run(held_out())
            record |= {f"val_{name}": value for name, value in evaluator.state.metrics.items()}
        state.history.append(record)

    def stop_early(engine: Engine) -> None:
        counts = held_out is not None and engine.state.epoch > patience_from * (engine.state.max_epochs or 0)
        if state.early_stopping is not None and counts:
            state.early_stopping(evaluator)
            state.stopped_early = bool(engine.should_terminate)

    def save(engine: Engine) -> None:
        content = state.state_dict()
        if state.best is state.history[-1]:
            save_checkpoint(run.best, content)
        save_checkpoint(run.last, content)

    trainer.add_event_handler(Events.EPOCH_STARTED, start_clock)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, record_epoch)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, stop_early)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: log(state.history[-1]))
    trainer.add_event_handler(Events.EPOCH_COMPLETED, save)
