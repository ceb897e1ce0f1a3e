"""Training put together from its parts, and run to its end."""

from collections.abc import Callable

import torch
from torch import nn

from framework.config import Config
from framework.data import Statistics
from framework.description import Description
from framework.engines import make_ema, make_evaluator, make_trainer
from framework.environment import default_workers
from framework.handlers import after_every_epoch, average_over_epoch, make_early_stopping
from framework.logs import show_progress
from framework.optimization import make_optimizer, make_schedule
from framework.preparation import Prepared
from framework.run_directory import RunDirectory
from framework.training_state import Record, TrainingState


def make_training(
    network: nn.Module,
    config: Config,
    *,
    steps: int,
    statistics: Statistics,
    device: torch.device,
    description: Description,
) -> TrainingState:
    """Optimizer, one-cycle schedule over all `steps`, average and trainer for a network on its device."""
    optimizer = make_optimizer(network, config.optimization)
    schedule = make_schedule(optimizer, steps, config.optimization)
    ema = make_ema(network, config.training.ema_decay)
    trainer = make_trainer(
        network,
        optimizer,
        schedule,
        loss=nn.CrossEntropyLoss(label_smoothing=config.optimization.label_smoothing),
        statistics=statistics,
        device=device,
        precision=description.precision,
        seed=config.training.seed,
        clip_norm=config.optimization.clip_norm,
        ema=ema,
    )
    return TrainingState(
        model=network,
        optimizer=optimizer,
        schedule=schedule,
        trainer=trainer,
        description=description,
        ema=ema,
        early_stopping=make_early_stopping(trainer, config.training.patience),
    )


def fit(
    state: TrainingState,
    images: Prepared,
    config: Config,
    run: RunDirectory,
    *,
    device: torch.device,
    log: Callable[[Record], None],
) -> None:
    """Trains from where the state is to the last epoch or an early stop; nothing if it is there already.

    Every epoch validates on the held-out images, is logged, and is saved in the run directory.
    """
    epoch_length = images.batches.epoch_length
    steps = config.training.epochs * epoch_length
    if state.stopped_early or state.trainer.state.iteration >= steps:
        return
    average_over_epoch(state.trainer, device)
    show_progress(state.trainer)
    after_every_epoch(
        state,
        run,
        evaluator=make_evaluator(
            state.evaluated, statistics=images.statistics, device=device, precision=state.description.precision
        ),
        held_out=images.validation if len(images.held_out) else None,
        patience_from=config.training.patience_from,
        log=log,
    )
    workers = default_workers(device) if config.machine.workers is None else config.machine.workers
    stream = images.batches.stream(state.trainer.state.iteration, steps, workers)
    state.trainer.run(stream, max_epochs=config.training.epochs, epoch_length=epoch_length)
