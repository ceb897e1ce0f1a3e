"""A training run to its end."""

from collections.abc import Callable
from contextlib import closing

import torch
from ignite.engine import Engine, Events

from framework.checkpoint.manager import CheckpointManager
from framework.checkpoint.training_state import TrainingState
from framework.config import Config
from framework.data.data_module import DataModule
from framework.data.loader import evaluation_batch_size
from framework.distributed import SINGLE_PROCESS, ProcessGroup
from framework.engine.epoch import finish_epoch, sum_over_epoch
from framework.engine.evaluator import make_evaluator
from framework.engine.training import Extensions, TrainingEvents
from framework.errors import StoppedError
from framework.ops.fake_quantize import simulated
from framework.run.directory import RunDirectory
from framework.run.environment import default_workers
from framework.run.history import EpochMetrics
from framework.run.progress import estimate_time, show_progress
from framework.run.signals import GRACE, Stop


def fit(
    state: TrainingState,
    data: DataModule,
    config: Config,
    run: RunDirectory,
    *,
    device: torch.device,
    log: Callable[[EpochMetrics], None],
    stop: Stop,
    extensions: Extensions | None = None,
    processes: ProcessGroup = SINGLE_PROCESS,
) -> None:
    """Trains from where the state is to the last epoch or an early stop; nothing if it is there already.

    Every epoch validates on the held-out images, is logged, and is saved; so is the state as often as the
    configuration says, and when `stop` asks for the end, which is then raised as StoppedError. Raises SaveError for a
    checkpoint that cannot be written, if that is to stop the run. Of several `processes`, the main one alone saves.
    """
    trainer, epoch_length, epochs = state.trainer, data.sampler.epoch_length, config.training.epochs
    trainer.state.epoch_length = epoch_length
    manager = CheckpointManager(state, run, config.safety, writes=processes.is_main)
    alone = processes.world_size == 1
    evaluator = _make_validator(state, data, config, device, extensions)
    if alone:  # several could not agree there: their parts may differ by a batch
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, stop.check)

    def end_epoch() -> None:
        state.guard.check()
        metrics = finish_epoch(state, config.training, data, evaluator, evaluation_batch_size(device))
        trainer.fire_event(TrainingEvents.VALIDATED)
        log(metrics)
        manager.save(best=state.best is metrics)

    sum_over_epoch(state)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, manager.save_if_due)
    # several processes agree where each has its batch, and the last step is done everywhere
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED if alone else Events.GET_BATCH_COMPLETED, _check_all, stop, processes
    )
    trainer.add_event_handler(Events.EPOCH_COMPLETED, end_epoch)
    if processes.is_main:
        show_progress(trainer)
        estimate_time(trainer, on_cpu=device.type == "cpu")
    with stop.deferring(), closing(manager):
        try:
            if state.step // epoch_length > len(state.history):  # stopped between an epoch's last step and its end
                end_epoch()
            if not state.stopped_early and state.step < epochs * epoch_length:
                workers = default_workers(device) if config.machine.workers is None else config.machine.workers
                augment_on, last = state.metadata.augment_on, epochs * epoch_length
                loader = data.train_loader(state.step, last, augment_on=augment_on, device=device, workers=workers)
                batches = stop.ending_waits(loader, grace=0.0 if alone else GRACE)
                trainer.run(batches, max_epochs=epochs, epoch_length=epoch_length)
            manager.finish()
        except StoppedError as stopped:
            manager.save()
            manager.close()
            raise StoppedError(f"{stopped}, kept in {manager.newest}") from None


def _check_all(stop: Stop, processes: ProcessGroup) -> None:
    """Raises StoppedError in every process if any has been asked to stop."""
    try:
        stops = processes.any(stop.asked is not None)
    except RuntimeError:  # another process has stopped without its batch, and left the group
        stop.check()
        raise
    if stops:
        raise StoppedError(f"stopped by {stop.asked or 'a signal to another process'}")


def _make_validator(
    state: TrainingState, data: DataModule, config: Config, device: torch.device, extensions: Extensions | None
) -> Engine:
    return make_evaluator(
        simulated(state.evaluated),
        statistics=data.statistics,
        device=device,
        precision=state.metadata.precision,
        plain_ops=config.machine.plain_ops,
        metrics=extensions.metrics() if extensions and extensions.metrics else None,
    )
