"""S7: the network C1 C2 C3 C4 0 on CIFAR-10, without max-pooling and under 200,000 parameters.

    python -m recipes.s7_cifar --data ../cifar10

trains, tests once at the end, and leaves a run directory. RESULTS.md has its time and accuracy with the machine.
"""

import dataclasses
from collections.abc import Callable

from framework.config import (
    AugmentationConfig,
    Config,
    NetworkConfig,
    OptimizationConfig,
    TrainingConfig,
)
from framework.run_directory import RunDirectory
from recipes.commands import command_line

DEFAULTS = Config(
    network=NetworkConfig(arch="c1c2c3c40"),
    augmentation=AugmentationConfig(
        transforms=(
            {"name": "HorizontalFlip", "p": 0.5},
            {
                "name": "ShiftScaleRotate",
                "shift_limit": 0.0625,
                "scale_limit": 0.1,
                "rotate_limit": 10,
                "p": 0.3,
            },
            {
                "name": "CoarseDropout",
                "max_holes": 1,
                "max_height": 16,
                "max_width": 16,
                "min_holes": 1,
                "min_height": 16,
                "min_width": 16,
                "fill_value": "mean",
                "mask_fill_value": None,
                "p": 0.15,
            },
        )
    ),
    optimization=OptimizationConfig(optimizer="sgd", lr=0.1, warmup=0.25, weight_decay=5e-4, label_smoothing=0.1),
    training=TrainingConfig(epochs=15, batch_size=64, patience=5),
)
"""What the recipe trains when nothing else is asked for."""

CONSTRAINTS = {
    "parameters_under": 200_000,
    "receptive_field_over": 44,
    "requires": ("depthwise_separable", "dilated", "global_average_pooling"),
    "forbids": ("max_pooling",),
}
"""What the assignment demands of the network: `framework.inspection.Constraints`, checked before training."""


def train(config: Config, run: RunDirectory, say: Callable[[str], None]) -> None:
    """Trains, or goes on with, the run in a directory, then reports on the test images.

    Everything that is random is keyed on `config.training.seed`; choices are made on held-out training images alone.
    """
    from framework.environment import check_libraries, choose_device

    check_libraries()

    import torch
    from torch import nn

    from architectures import create
    from framework.augment import build_augmentation
    from framework.checkpoint import load_checkpoint
    from framework.data import TrainingBatches, channel_statistics, evaluation_batches, held_out_split
    from framework.description import Description
    from framework.engines import make_ema, make_evaluator, make_trainer
    from framework.handlers import after_every_epoch, average_over_epoch, make_early_stopping
    from framework.inspection import Constraints, check, require
    from framework.logs import EpochLog, show_progress
    from framework.optimization import make_optimizer, make_schedule
    from framework.precision import choose_precision
    from framework.randomness import torch_seed
    from framework.training_state import TrainingState
    from recipes.artefacts import describe, open_source, record_results, record_start, require_same_data

    # The images, their statistics, the held-out split, and the batch of every step.
    device = choose_device(config.machine.device)
    data = open_source(config.data)
    statistics = channel_statistics(data.train_images)
    holdout = len(data.train_labels) // 10 if config.data.holdout is None else config.data.holdout
    trained, held_out = held_out_split(data.train_labels, holdout, config.training.seed)
    augment = build_augmentation(config.augmentation.transforms, [255 * mean for mean in statistics.mean])
    batches = TrainingBatches(
        images=data.train_images,
        labels=data.train_labels,
        indices=trained,
        batch_size=config.training.batch_size,
        seed=config.training.seed,
        augment=augment,
        limit=config.training.limit_batches,
    )
    validation = held_out[: 1000 * (config.training.limit_batches or len(held_out))]

    # The network, created by name and held to what the recipe declares of it.
    torch.manual_seed(torch_seed(config.training.seed, "weights"))
    network = create(
        config.network.arch, num_classes=data.num_classes, in_channels=data.channels, **config.network.arch_options
    )
    input_shape = (data.channels, config.data.image_size, config.data.image_size)
    findings = check(network, input_shape, Constraints(**CONSTRAINTS))
    if not config.network.unconstrained:
        require(findings)
    network = network.to(device, memory_format=torch.channels_last)

    # One optimizer step an iteration; a resumed run keeps its arithmetic.
    saved = load_checkpoint(run.last) if run.last.is_file() else None
    began = Description.of(saved, str(run.last)) if saved else None
    if began:
        require_same_data(run, began, data)
    precision = began.precision if began else choose_precision(config.machine.precision, network, input_shape, device)
    description = describe(config, data, statistics, precision)
    steps = config.training.epochs * batches.epoch_length
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
        precision=precision,
        seed=config.training.seed,
        clip_norm=config.optimization.clip_norm,
        ema=ema,
    )
    state = TrainingState(
        model=network,
        optimizer=optimizer,
        schedule=schedule,
        trainer=trainer,
        ema=ema,
        early_stopping=make_early_stopping(trainer, config.training.patience) if len(validation) else None,
        description=dataclasses.asdict(description),
    )
    if saved:
        state.load_state_dict(saved, str(run.last))
    else:
        record_start(
            run,
            config,
            data,
            batches,
            network,
            held_out=len(held_out),
            device=device,
            description=description,
            effective=augment.effective,
        )

    # Every epoch: validate on the held-out images, stop early or not, log, save.
    log = EpochLog(
        run,
        heading=f"{config.network.arch} on {data.name}, {len(trained)} training images, {len(held_out)} held out",
        epochs=config.training.epochs,
        history=state.history,
        say=say,
    )
    average_over_epoch(trainer, device)
    show_progress(trainer)
    after_every_epoch(
        state,
        run,
        evaluator=make_evaluator(state.evaluated, statistics=statistics, device=device, precision=precision),
        held_out=(lambda: evaluation_batches(data.train_images, data.train_labels, validation))
        if len(validation)
        else None,
        patience_from=config.training.patience_from,
        log=log,
    )
    if trainer.state.iteration < steps and not state.stopped_early:
        trainer.run(
            batches.stream(trainer.state.iteration, steps, config.machine.workers),
            max_epochs=config.training.epochs,
            epoch_length=batches.epoch_length,
        )

    # The test images, once, by the weights that the held-out images chose.
    record_results(run, config, data, state, log, device)
    log.close()


main = command_line("s7_cifar", (__doc__ or "").strip(), DEFAULTS, CONSTRAINTS, train)

if __name__ == "__main__":
    main()
