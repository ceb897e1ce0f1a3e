"""The figures, warnings and pictures of a report."""

import math
import shutil
from pathlib import Path

import torch

from framework.checkpoint.loaded_model import LoadedModel
from framework.checkpoint.metadata import ModelMetadata
from framework.checkpoint.networks import Networks
from framework.config import Config
from framework.data.data_module import DataModule
from framework.data.statistics import normalize
from framework.errors import EmberfieldError
from framework.inspection import (
    EffectiveField,
    Finding,
    coverage_mask,
    effective_field,
    mirrored,
    multiply_adds,
    parameter_count,
    receptive_field,
)
from framework.report import sections
from framework.report.calibration import reliability, save_calibration
from framework.report.confusion import save_confusion
from framework.report.curves import save_curves
from framework.report.field_of_view import save_field_of_view
from framework.report.gallery import save_mistakes
from framework.report.grad_cam import save_grad_cam
from framework.report.predictions import Predictions
from framework.run.directory import RunDirectory
from framework.run.history import EpochMetrics, best_epoch
from framework.seeding import torch_seed

ERF_IMAGES = 16
"""Test images over which the effective receptive field is averaged."""


def figures(
    model: LoadedModel,
    config: Config,
    data: DataModule,
    predictions: Predictions,
    history: list[EpochMetrics],
    findings: tuple[Finding, ...],
) -> list[tuple[str, str]]:
    """What the report begins with: pairs of a name and a figure."""
    network, shape = model.network, data.input_shape
    field = receptive_field(network, shape).network.size
    best = best_epoch(history)
    chosen = f"{100 * best['val_accuracy']:.2f} % (epoch {best['epoch']})" if best else "none: no images held out"
    optimization = config.optimization
    teachers = ", ".join(optimization.teacher or ())
    distilled = f"{teachers}, with alpha {optimization.distill_alpha:.4g}"
    return [
        ("test accuracy", f"{100 * predictions.accuracy:.2f} % of {len(predictions.labels):,} images"),
        ("validation accuracy, on held-out training images", chosen),
        ("parameters", f"{parameter_count(network):,}"),
        ("multiply-adds of an image", f"{multiply_adds(network, shape):,}"),
        ("receptive field before the global pooling", "x".join(map(str, dict.fromkeys(field))) + " pixels"),
        ("input coverage", f"{100 * coverage_mask(network, shape).mean():.4g} % of the pixels"),
        ("declared constraints that hold", f"{sum(line.holds for line in findings)} of {len(findings)}"),
        ("trained on", f"{len(data.sampler.indices):,} images of {data.data.name}"),
        *([("distilled from", distilled)] if teachers else []),
        ("epochs", f"{len(history)} of {config.training.epochs}, batches of {config.training.batch_size}"),
        ("seed", str(config.training.seed)),
        ("training time", f"{sum(metrics['seconds'] for metrics in history):.0f} s"),
    ]


def warnings(config: Config, data: DataModule, history: list[EpochMetrics], findings: tuple[Finding, ...]) -> list[str]:
    """What a reader has to know before believing the figures."""
    said = []
    if broken := [line.name for line in findings if not line.holds]:
        said.append(f"The network breaks what was declared of it ({', '.join(broken)}); it was trained all the same.")
    if len(history) < config.training.epochs:
        said.append(f"The run stopped after epoch {len(history)} of {config.training.epochs}.")
    return said + data.warnings


def save_pictures(
    folder: Path,
    run: RunDirectory,
    config: Config,
    model: LoadedModel,
    data: DataModule,
    predictions: Predictions,
    history: list[EpochMetrics],
    networks: Networks,
) -> tuple[int, int]:
    """Saves the pictures of the report; how many mistakes the two galleries show."""
    shutil.copyfile(run.augmented_samples, folder / sections.SAMPLES)
    if history:
        save_curves(folder / sections.CURVES, history, f"{config.network.arch} on {data.data.name}")
    save_confusion(folder / sections.CONFUSION, predictions.confusion(), predictions.class_names)
    save_calibration(folder / sections.CALIBRATION, reliability(predictions))
    mistakes = save_mistakes(folder / sections.MISTAKES, data.data.test_images, predictions)
    explained = save_grad_cam(
        folder / sections.GRAD_CAM,
        model.network,
        data.data.test_images,
        predictions,
        statistics=model.metadata.statistics,
        device=model.device,
    )
    fields = effective_fields(model, config, data, networks)
    save_field_of_view(folder / sections.FIELD, coverage_mask(model.network, data.input_shape), fields)
    return mistakes, explained


def effective_fields(
    model: LoadedModel, config: Config, data: DataModule, networks: Networks
) -> dict[str, EffectiveField]:
    """The effective receptive field of the run's network before and after training, over test images.

    The images are continued until the theoretical field fits, where the network takes images of another size.
    """
    before = new_network(networks, model.metadata, config.training.seed).to(model.device)
    images = torch.from_numpy(data.data.test_images[:ERF_IMAGES].copy()).to(model.device)
    pixels = normalize(images, model.metadata.statistics)
    field = receptive_field(before, data.input_shape).network
    height, width = (size + 2 * math.ceil(jump) for size, jump in zip(field.size, field.jump, strict=True))
    larger = mirrored(pixels, (height, width))
    compared = {"before training": before, "after training": model.network}
    try:
        return {title: effective_field(network, larger) for title, network in compared.items()}
    except EmberfieldError:  # it is made for its own size
        return {f"{title}, cut by the image": effective_field(network, pixels) for title, network in compared.items()}


def new_network(networks: Networks, metadata: ModelMetadata, seed: int) -> torch.nn.Module:
    """The network of a run as it was before its first step."""
    torch.manual_seed(torch_seed(seed, "weights"))
    return networks.create(
        metadata.arch,
        num_classes=len(metadata.class_names),
        in_channels=metadata.in_channels,
        **metadata.arch_options,
    )
