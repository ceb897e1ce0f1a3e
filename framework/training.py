"""Training put together from its parts, and run to its end."""

from collections.abc import Callable
from contextlib import closing

import torch
from ignite.engine import Events
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from framework.config import Config
from framework.data import Batch, Statistics, evaluation_batch_size
from framework.description import Description
from framework.device_batches import DeviceBatches
from framework.distillation import Teacher
from framework.engines import make_ema, make_evaluator, make_trainer
from framework.environment import default_workers, require_compiler
from framework.errors import StoppedError
from framework.graphs import graphed
from framework.handlers import finish_epoch, make_early_stopping, sum_over_epoch
from framework.keeping import Keeper
from framework.logs import show_progress
from framework.nonfinite import NonFiniteGuard
from framework.optimization import make_optimizer, make_schedule, rates_on_device
from framework.preparation import Prepared
from framework.processes import ALONE, Processes
from framework.run_directory import RunDirectory
from framework.step import Step, make_step
from framework.stopping import Stop
from framework.training_state import EpochSums, Record, TrainingState

AT_ONCE = 8
"""Steps whose batches are made together: more of them take memory, fewer take time for small operations."""

LOOK_EVERY = 16
"""Steps between two looks at whether all was finite, on a device that has to be waited for."""


def make_training(
    network: nn.Module,
    config: Config,
    images: Prepared,
    *,
    device: torch.device,
    description: Description,
    notify: Callable[[str], None],
    cycle_start: int = 0,
    teacher: Teacher | None = None,
    processes: Processes = ALONE,
) -> TrainingState:
    """Optimizer, one-cycle schedule, average and trainer for a network on its device, in each of the `processes`.

    The schedule goes over the steps from `cycle_start` to the last; `notify` is told of steps that are left out. The
    network learns from a `teacher` too, if there is one.
    """
    optimizer = make_optimizer(network, config.optimization)
    steps = config.training.epochs * images.batches.epoch_length
    schedule = make_schedule(optimizer, max(steps - cycle_start, 1), config.optimization)
    guard = NonFiniteGuard(
        config.safety.nonfinite_limit if config.safety.on_nonfinite == "skip" else 0,
        lambda step: images.batches.samples(step).tolist(),
        notify,
        every=1 if device.type == "cpu" else LOOK_EVERY,
    )
    step = training_step(
        network,
        optimizer,
        config,
        statistics=images.statistics,
        device=device,
        precision=description.precision,
        teacher=teacher,
        processes=processes,
    )
    ema = make_ema(network, config.training.ema_decay)
    trainer = make_trainer(
        network,
        step,
        schedule,
        device=device,
        seed=config.training.seed,
        guard=guard,
        ema=ema,
        draws="step" if processes.first else f"step of process {processes.rank}",
    )
    return TrainingState(
        model=network,
        optimizer=optimizer,
        schedule=schedule,
        trainer=trainer,
        description=description,
        sums=EpochSums(values=torch.zeros(3, dtype=torch.float64, device=device)),
        guard=guard,
        ema=ema,
        early_stopping=make_early_stopping(trainer, config.training.patience),
    )


def training_step(
    network: nn.Module,
    optimizer: Optimizer,
    config: Config,
    *,
    statistics: Statistics,
    device: torch.device,
    precision: str,
    teacher: Teacher | None,
    processes: Processes,
) -> Step:
    """One step as the configuration has it: shared by the `processes`, compiled, or on a GPU replayed as a graph.

    Raises EmberfieldError where torch.compile is asked for and there is no C++ compiler.
    """
    forward = processes.parallel(network, device)
    if config.machine.compile:
        require_compiler()
        forward = torch.compile(forward, dynamic=False)  # type: ignore[assignment]
        teacher = teacher and teacher.compiled()
    step = make_step(
        forward,
        optimizer,
        loss=nn.CrossEntropyLoss(label_smoothing=config.optimization.label_smoothing),
        statistics=statistics,
        device=device,
        precision=precision,
        clip_norm=config.optimization.clip_norm,
        teacher=teacher,
        undoes=config.safety.on_nonfinite == "skip",
        processes=processes,
    )
    if device.type == "cuda" and processes.count == 1 and not config.machine.eager:
        rates_on_device(optimizer, device)
        step = graphed(step, device)
    return step


def fit(
    state: TrainingState,
    images: Prepared,
    config: Config,
    run: RunDirectory,
    *,
    device: torch.device,
    log: Callable[[Record], None],
    stop: Stop,
    notify: Callable[[str], None],
    processes: Processes = ALONE,
) -> None:
    """Trains from where the state is to the last epoch or an early stop; nothing if it is there already.

    Every epoch validates on the held-out images, is logged, and is saved; so is the state as often as the
    configuration says, and when `stop` asks for the end, which is then raised as StoppedError. Raises SaveError for a
    checkpoint that cannot be written, if that is to stop the run; otherwise `notify` is told. Of several `processes`,
    the first alone saves.
    """
    trainer, epoch_length = state.trainer, images.batches.epoch_length
    epochs = config.training.epochs
    trainer.state.epoch_length = epoch_length
    evaluator = make_evaluator(
        state.evaluated, statistics=images.statistics, device=device, precision=state.description.precision
    )
    if processes.count == 1:  # several could not agree there: their shares may differ by a batch
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, stop.check)
    evaluation_size = evaluation_batch_size(device)
    keeper = Keeper(state, run, config.safety, notify, writes=processes.first)

    def check() -> None:
        if processes.any(stop.asked is not None):
            raise StoppedError(f"stopped by {stop.asked or 'a signal to another process'}")

    def end_epoch() -> None:
        state.guard.look()
        record = finish_epoch(
            state,
            epochs=epochs,
            evaluator=evaluator,
            held_out=(lambda: images.validation(evaluation_size)) if len(images.held_out) else None,
            patience_from=config.training.patience_from,
        )
        log(record)
        keeper.save(best=state.best is record)

    sum_over_epoch(state)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, keeper.save_if_due)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, check)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, end_epoch)
    show_progress(trainer)
    with stop.deferring(), closing(keeper):
        try:
            if state.step // epoch_length > len(state.history):  # stopped between an epoch's last step and its end
                end_epoch()
            if not state.stopped_early and state.step < epochs * epoch_length:
                trainer.run(
                    training_stream(state, images, config, device), max_epochs=epochs, epoch_length=epoch_length
                )
        except StoppedError as stopped:
            keeper.save()
            keeper.close()
            raise StoppedError(f"{stopped}; the same command with --resume goes on from {keeper.newest}") from None


def training_stream(
    state: TrainingState, images: Prepared, config: Config, device: torch.device
) -> DeviceBatches | DataLoader[Batch]:
    """The batches from where the state is to the last step, made on the device or ahead of it by workers."""
    start, stop = state.step, config.training.epochs * images.batches.epoch_length
    if state.description.augment_on == "device":
        return DeviceBatches(images.batches, device, start, stop, at_once=AT_ONCE)
    workers = default_workers(device) if config.machine.workers is None else config.machine.workers
    return images.batches.stream(start, stop, workers)
