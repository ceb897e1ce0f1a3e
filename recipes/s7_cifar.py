"""S7: the network C1 C2 C3 C4 0 on CIFAR-10, without max-pooling and under 200,000 parameters.

    python -m recipes.s7_cifar --data ../cifar10

trains, tests once at the end, and leaves a run directory. RESULTS.md has its time and accuracy with the machine.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from framework.config import Config
from framework.run_directory import RunDirectory
from framework.sections import AugmentationConfig, ConstraintsConfig, NetworkConfig, OptimizationConfig, TrainingConfig
from framework.stopping import Stop
from recipes.commands import command_line
from recipes.console import warn

DEFAULTS = Config(
    network=NetworkConfig(arch="c1c2c3c40"),
    constraints=ConstraintsConfig(
        parameters_under=200_000,
        receptive_field_over=44,
        requires=("depthwise_separable", "dilated", "global_average_pooling"),
        forbids=("max_pooling",),
    ),
    augmentation=AugmentationConfig(
        transforms=(
            {"name": "HorizontalFlip", "p": 0.5},
            {
                "name": "ShiftScaleRotate",
                "shift_limit": 0.0625,
                "scale_limit": 0.1,
                "rotate_limit": 10,
                "value": "mean",
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
"""What the recipe trains, and demands of the network, when nothing else is asked for."""


def train(config: Config, run: RunDirectory, stop: Stop, say: Callable[[str], None]) -> None:
    """Trains, or goes on with, the run in a directory, then reports on the test images; `stop` ends it at any step.

    Everything that is random is keyed on `config.training.seed`; choices are made on held-out training images alone.
    """
    from framework.allocation import keep_memory
    from framework.environment import check_libraries, choose_device, make_deterministic

    check_libraries()
    keep_memory()
    if config.machine.deterministic:
        make_deterministic()

    import torch

    from architectures import create
    from framework.inspection import check, require
    from framework.logs import EpochLog
    from framework.preparation import prepare
    from framework.processes import together
    from framework.randomness import torch_seed
    from framework.training import fit, make_training
    from framework.whitening import whiten_first_convolution
    from recipes.artefacts import describe, record_results, record_start
    from recipes.resuming import go_on, read_saved
    from recipes.summary import declared
    from recipes.teaching import as_teacher, find_teachers, keep_teachers

    device = choose_device(config.machine.device)
    with together(device, config.training.batch_size) as processes:
        # The images, with a held-out part of the training images for every choice.
        images = prepare(config, warn, share=(processes.rank, processes.count))

        # The network, created by name and held to what is declared of it.
        torch.manual_seed(torch_seed(config.training.seed, "weights"))
        network = create(
            config.network.arch,
            num_classes=images.data.num_classes,
            in_channels=images.data.channels,
            **config.network.arch_options,
        )
        findings = check(network, images.input_shape, declared(config.constraints))
        if not config.constraints.unconstrained:
            require(findings)
        if config.network.whiten:
            whiten_first_convolution(network, images.sample())
        network.to(device).to(memory_format=torch.channels_last)

        # A used directory goes on from its newest checkpoint, in the way of computing that it began with.
        saved = processes.agreed(read_saved(run, config, images.data, warn) if processes.first else None)
        description = saved.description if saved else processes.agreed(describe(config, images, network, device))
        teachers = find_teachers(config, run, images.data, device, begun=saved is not None, notify=warn)
        state = make_training(
            network,
            config,
            images,
            device=device,
            description=description,
            notify=warn,
            cycle_start=saved.cycle_start if saved else 0,
            teacher=as_teacher(teachers, config),
            processes=processes,
        )
        if saved:
            go_on(state, saved, run, config, processes)
        elif processes.first:
            record_start(run, config, images, network, findings, description, device)
            keep_teachers(run, teachers)

        # Training, with a validation after every epoch; several processes share each batch.
        with closing(
            EpochLog(run if processes.first else None, config.training.epochs, state.history, say, warn)
        ) as log:
            fit(state, images, config, run, device=device, log=log, stop=stop, notify=warn, processes=processes)

    # The test images, once.
    if processes.first:
        record_results(run, config, images, state, log, device)


main = command_line("s7_cifar", (__doc__ or "").strip(), DEFAULTS, train, Path(__file__).with_name("presets"))

if __name__ == "__main__":
    main()
