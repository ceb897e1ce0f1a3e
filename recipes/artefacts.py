"""What a run writes down of itself when it starts and when it ends."""

import dataclasses
from typing import Any

import torch
from torch import nn

from architectures import source_files
from framework.config import Config
from framework.description import Description
from framework.device_batches import choose_augment_on
from framework.environment import describe_environment
from framework.exporting import write_weights
from framework.inspection import (
    Finding,
    constraint_table,
    constraint_table_json,
    layer_table,
    multiply_adds,
    parameter_count,
    receptive_field,
)
from framework.logs import EpochLog
from framework.precision import choose_precision
from framework.preparation import Prepared
from framework.report.curves import save_curves
from framework.report.samples import save_augmented_samples
from framework.report.summary import torchsummary_table
from framework.report.transforms import transforms_code
from framework.run_directory import RunDirectory, write_json, write_text
from framework.training_state import TrainingState
from recipes.restoring import restore, test_figures


def describe(config: Config, images: Prepared, network: nn.Module, device: torch.device) -> Description:
    """What the run's checkpoints say of themselves, with the ways of computing that are best on the device."""
    return Description(
        arch=config.network.arch,
        arch_options=dict(config.network.arch_options),
        in_channels=images.data.channels,
        image_size=config.data.image_size,
        class_names=list(images.data.class_names),
        mean=list(images.statistics.mean),
        std=list(images.statistics.std),
        data=images.data.name,
        data_hash=images.data.fingerprint(),
        precision=choose_precision(config.machine.precision, network, images.input_shape, device),
        augment_on=choose_augment_on(config.machine.augment_on, images.batches, device),
    )


def record_start(
    run: RunDirectory,
    config: Config,
    images: Prepared,
    network: nn.Module,
    findings: tuple[Finding, ...],
    description: Description,
    device: torch.device,
) -> None:
    """Writes the configuration, the environment, the network's code and tables, and a sheet of augmented samples."""
    write_text(run.config, config.to_json())
    source = source_files(config.network.arch)
    environment = {
        "device": str(device),
        "training_images": len(images.batches.indices),
        "held_out_images": len(images.held_out),
        "test_images": len(images.data.test_labels),
        "description": dataclasses.asdict(description),
        "source": list(source),
        "transforms": list(images.augmentation.effective),
        "constraints": constraint_table_json(findings),
        "unconstrained": config.constraints.unconstrained,
        **describe_environment(),
    }
    write_json(run.environment, environment)
    for path, text in source.items():
        (run.source / path).parent.mkdir(parents=True, exist_ok=True)
        write_text(run.source / path, text)
    write_text(run.transforms, transforms_code(images.augmentation.calls, config.augmentation.cutmix))
    write_text(run.torchsummary, torchsummary_table(network, images.input_shape))
    tables = (layer_table(network, images.input_shape), constraint_table(findings))
    write_text(run.path / "network.txt", "\n\n".join(tables) + "\n")
    spread = images.batches.indices[:: max(len(images.batches.indices) // 8, 1)][:8]
    save_augmented_samples(
        run.augmented_samples,
        images.data.train_images[spread],
        [images.batches.shown(spread, epoch)[0].numpy() for epoch in range(8)],
        title=f"{images.data.name}: as it is, then as in epochs 1 to 8",
    )


def record_results(
    run: RunDirectory, config: Config, images: Prepared, state: TrainingState, log: EpochLog, device: torch.device
) -> None:
    """Tests the weights that the held-out images chose, and writes and says the run's figures."""
    restored = restore(run.path, device, config.network.arch)
    test = test_figures(restored, images.data, config.training.limit_batches)
    best = state.best
    results: dict[str, Any] = {
        "data": images.data.name,
        "arch": config.network.arch,
        "seed": config.training.seed,
        "epochs": len(state.history),
        "planned_epochs": config.training.epochs,
        "cycles_from_epoch": [step // images.batches.epoch_length + 1 for step in state.cycles],
        "skipped_steps": state.guard.skipped,
        "stopped_early": state.stopped_early,
        "reported_epoch": best["epoch"] if best else len(state.history),
        "validation_accuracy": best["val_accuracy"] if best else None,
        "test_accuracy": test["accuracy"],
        "test_loss": test["loss"],
        "parameters": parameter_count(restored.network),
        "multiply_adds": multiply_adds(restored.network, images.input_shape),
        "receptive_field": list(receptive_field(restored.network, images.input_shape).network.size),
        "training_seconds": sum(record["seconds"] for record in state.history),
        "precision": state.description.precision,
        "augment_on": state.description.augment_on,
    }
    write_weights(run.weights, restored.network, restored.description)
    save_curves(run.path / "curves.png", state.history, f"{config.network.arch} on {images.data.name}")
    validation = f"{100 * best['val_accuracy']:.2f} % (epoch {best['epoch']})" if best else "none: no images held out"
    for line in (
        f"run {run.path}",
        f"data {images.data.name}",
        *images.cautions,
        f"validation accuracy {validation}",
        f"test accuracy {100 * test['accuracy']:.2f} %",
        f"parameters {results['parameters']:,}",
        f"receptive field {'x'.join(map(str, dict.fromkeys(results['receptive_field'])))}",
        f"training time {results['training_seconds']:.0f} s",
    ):
        log.write(line)
    write_json(run.results, results)  # the last: what has results is finished
