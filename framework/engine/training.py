"""A training put together from its parts."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from ignite.engine import EventEnum
from ignite.metrics import Metric
from torch import nn
from torch.optim import Optimizer

from framework.checkpoint.metadata import ModelMetadata
from framework.checkpoint.training_state import EpochSums, Stateful, TrainingState
from framework.config import Config
from framework.data.data_module import DataModule
from framework.distributed import SINGLE_PROCESS, ProcessGroup
from framework.engine.cuda_graph import cuda_graphed
from framework.engine.epoch import make_early_stopping
from framework.engine.frozen import frozen_layers
from framework.engine.int8 import add_ranges
from framework.engine.nonfinite import NonFiniteGuard
from framework.engine.precision import forward_pass
from framework.engine.trainer import make_trainer
from framework.engine.training_step import LossTerm, Step, make_step
from framework.errors import EmberfieldError
from framework.losses.class_weights import class_weights
from framework.losses.distillation import Teacher
from framework.losses.l1 import l1_term
from framework.ops.fake_quantize import simulated
from framework.optim.ema import make_ema
from framework.optim.learning_rates import rates_on_device
from framework.optim.optimizers import make_optimizer
from framework.optim.schedules import Plateau, make_schedule
from framework.run.environment import require_compiler
from framework.run.exactness import machine_of

CHECK_EVERY = 16
"""Steps between two checks that all was finite, on a device that has to be waited for."""


class TrainingEvents(EventEnum):
    """Events of a trainer beside Ignite's own."""

    VALIDATED = "validated"
    """After an epoch's validation, when `state.history` has its metrics, and before its checkpoint is written."""


@dataclass(frozen=True, kw_only=True)
class Extensions:
    """What a training does beside what its configuration says.

    `loss_terms` are added to the loss, which is logged with them. `metrics` makes further metrics of the evaluation by
    name, each a number. Each of `handlers` is called with the training before its first step, to add handlers to
    `state.trainer` (Ignite's events, or TrainingEvents); what it returns, if it has a state, is saved in checkpoints.
    """

    loss_terms: Sequence[LossTerm] = ()
    metrics: Callable[[], Mapping[str, Metric]] | None = None
    handlers: Mapping[str, Callable[[TrainingState], Stateful | None]] = field(default_factory=dict)


def make_training(
    network: nn.Module,
    config: Config,
    data: DataModule,
    *,
    device: torch.device,
    metadata: ModelMetadata,
    teacher: Teacher | None = None,
    extensions: Extensions | None = None,
    processes: ProcessGroup = SINGLE_PROCESS,
    handlers: bool = True,
) -> TrainingState:
    """Optimizer, schedule, average and trainer for a network on its device, in each of the `processes`.

    The extensions' `handlers` may be left out. Raises EmberfieldError for what does not fit the data.
    """
    add_ranges(network, config, metadata, processes)
    optimizer, extensions = make_optimizer(network, config.optimization), extensions or Extensions()
    total_steps = config.training.epochs * data.sampler.epoch_length
    schedule = make_schedule(optimizer, total_steps, config.optimization, data.sampler.epoch_length)
    limit = config.safety.nonfinite_limit if config.safety.on_nonfinite == "skip" else 0
    every = 1 if device.type == "cpu" else CHECK_EVERY
    guard = NonFiniteGuard(limit, lambda step: data.sampler.samples(step).tolist(), every=every)
    step = training_step(
        network,
        optimizer,
        config,
        data,
        device=device,
        precision=metadata.precision,
        teacher=teacher,
        loss_terms=extensions.loss_terms,
        processes=processes,
    )
    ema = make_ema(network, config.training.ema_decay, total_steps)
    trainer = make_trainer(
        network,
        step,
        schedule,
        device=device,
        seed=config.training.seed,
        guard=guard,
        ema=ema,
        frozen=frozen_layers(network, config.network.freeze),
        purpose="step" if processes.is_main else f"step of process {processes.rank}",
    )
    state = TrainingState(
        model=network,
        optimizer=optimizer,
        schedule=schedule,
        trainer=trainer,
        metadata=metadata,
        sums=EpochSums(values=torch.zeros(3, dtype=torch.float64, device=device)),
        guard=guard,
        ema=ema,
        early_stopping=make_early_stopping(trainer, config.training.patience),
        machine=machine_of(device, processes.world_size),
    )
    _attach_handlers(state, data, extensions.handlers if handlers else {})
    return state


def _attach_handlers(
    state: TrainingState, data: DataModule, handlers: Mapping[str, Callable[[TrainingState], Stateful | None]]
) -> None:
    """Attaches a schedule that follows the validations, then the `handlers`."""
    state.trainer.register_events(*TrainingEvents)
    plateau = state.schedule.lr_lambdas[0]
    if isinstance(plateau, Plateau):
        if not len(data.held_out):
            raise EmberfieldError(
                "the schedule 'plateau' watches validation images, and there are none: see --val-size"
            )
        state.trainer.add_event_handler(TrainingEvents.VALIDATED, plateau.follow, state.history, state.schedule)
    for name, attach in handlers.items():
        handler = attach(state)
        if handler is not None:
            state.handlers[name] = handler


def training_step(
    network: nn.Module,
    optimizer: Optimizer,
    config: Config,
    data: DataModule,
    *,
    device: torch.device,
    precision: str,
    teacher: Teacher | None,
    loss_terms: Sequence[LossTerm],
    processes: ProcessGroup,
) -> Step:
    """One step as the configuration has it: in parallel over the `processes`, compiled, or on a GPU as a CUDA graph.

    Raises EmberfieldError for class weights that do not fit the data, and where torch.compile is asked for and there is
    no C++ compiler.
    """
    labels = data.data.train_labels[data.sampler.indices]
    weights = class_weights(config.optimization.class_weights, labels, data.data.num_classes)
    forward = processes.parallel(simulated(network), device)
    if config.machine.compile:
        require_compiler()
        forward = torch.compile(forward, dynamic=False)  # type: ignore[assignment]
        teacher = teacher and teacher.compiled()
    step = make_step(
        forward,
        optimizer,
        loss=nn.CrossEntropyLoss(
            None if weights is None else torch.tensor(weights, device=device),
            label_smoothing=config.optimization.label_smoothing,
        ),
        statistics=data.statistics,
        device=device,
        context=functools.partial(forward_pass, device, precision, config.machine.plain_ops),
        clip_norm=config.optimization.clip_norm,
        teacher=teacher,
        loss_terms=(*loss_terms, l1_term(config.optimization.l1)) if config.optimization.l1 else loss_terms,
        accumulate=config.training.accumulate,
        undoes=config.safety.on_nonfinite == "skip",
        processes=processes,
    )
    if device.type == "cuda" and processes.world_size == 1 and not config.machine.no_cuda_graph:
        rates_on_device(optimizer, device)
        step = cuda_graphed(step, device)
    return step
