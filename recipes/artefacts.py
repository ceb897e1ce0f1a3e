"""What a run writes down of itself when it starts and when it ends."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn

from framework.config import Config, DataConfig
from framework.data import Statistics, TrainingBatches
from framework.description import Description
from framework.environment import describe_environment
from framework.errors import RunDirectoryError
from framework.inspection import multiply_adds, parameter_count, receptive_field
from framework.logs import EpochLog
from framework.report.curves import save_curves
from framework.report.samples import save_augmented_samples
from framework.report.summary import torchsummary_table
from framework.run_directory import RunDirectory, write_json, write_text
from framework.sources import ImageData, cache_folder, open_data
from framework.training_state import TrainingState
from recipes.restoring import restore, test_figures


def open_source(config: DataConfig) -> ImageData:
    """The images that a configuration asks for; what the user has to know goes to standard error."""
    return open_data(
        path=Path(config.data) if config.data else None,
        dataset=config.dataset,
        image_size=config.image_size,
        cache=cache_folder(),
        notify=lambda text: click.echo(text, err=True),
    )


def describe(config: Config, data: ImageData, statistics: Statistics, precision: str) -> Description:
    """What the run's checkpoints say of themselves."""
    return Description(
        arch=config.network.arch,
        arch_options=dict(config.network.arch_options),
        in_channels=data.channels,
        image_size=config.data.image_size,
        class_names=list(data.class_names),
        mean=list(statistics.mean),
        std=list(statistics.std),
        data=data.name,
        data_hash=data.fingerprint(),
        precision=precision,
    )


def require_same_data(run: RunDirectory, saved: Description, data: ImageData) -> None:
    """Raises RunDirectoryError if a run is about to go on with other images than it began with."""
    if saved.data_hash != data.fingerprint():
        raise RunDirectoryError(f"cannot resume {run.path}: it was trained on {saved.data}, and {data.name} differs")


def record_start(
    run: RunDirectory,
    config: Config,
    data: ImageData,
    batches: TrainingBatches,
    network: nn.Module,
    *,
    held_out: int,
    device: torch.device,
    description: Description,
    effective: Sequence[dict[str, Any]],
) -> None:
    """Writes the configuration, the environment, the network's table and a sheet of augmented samples."""
    write_text(run.config, config.to_json())
    environment = {
        "device": str(device),
        "data": {
            "training_images": len(batches.indices),
            "held_out_images": held_out,
            "test_images": len(data.test_labels),
        },
        "network": dataclasses.asdict(description),
        "transforms": list(effective),
        **describe_environment(),
    }
    write_json(run.environment, environment)
    write_text(run.path / "torchsummary.txt", torchsummary_table(network, description.input_shape))
    save_augmented_samples(run.path / "augmented_samples.png", data, batches)


def record_results(
    run: RunDirectory, config: Config, data: ImageData, state: TrainingState, log: EpochLog, device: torch.device
) -> None:
    """Tests the weights that the held-out images chose, and writes and says the run's figures."""
    restored = restore(run.path, device)
    test = test_figures(restored, data, config.training.limit_batches)
    shape = restored.description.input_shape
    best = state.best
    results: dict[str, Any] = {
        "data": data.name,
        "arch": config.network.arch,
        "seed": config.training.seed,
        "epochs": len(state.history),
        "stopped_early": state.stopped_early,
        "reported_epoch": int(best["epoch"]) if best else len(state.history),
        "validation_accuracy": best["val_accuracy"] if best else None,
        "test_accuracy": test["accuracy"],
        "test_loss": test["loss"],
        "parameters": parameter_count(restored.network),
        "multiply_adds": multiply_adds(restored.network, shape),
        "receptive_field": max(receptive_field(restored.network, shape).network.size),
        "training_seconds": sum(record["seconds"] for record in state.history),
        "precision": restored.description.precision,
    }
    write_json(run.results, results)
    save_curves(run.path / "curves.png", state.history, f"{results['arch']} on {data.name}")
    validation = "none held out" if best is None else f"{100 * best['val_accuracy']:.2f} % (epoch {best['epoch']})"
    for line in (
        f"run                 {run.path}",
        f"data                {data.name}",
        f"validation accuracy {validation}",
        f"test accuracy {100 * test['accuracy']:.2f} %",
        f"parameters          {results['parameters']:,}",
        f"receptive field     {results['receptive_field']}",
        f"training time       {results['training_seconds']:.0f} s",
    ):
        log.write(line)
