"""The figures, warnings and pictures of a report."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from framework.checkpoint.loaded_model import LoadedModel
from framework.checkpoint.networks import Networks
from framework.config import Config
from framework.data.data_module import DataModule
from framework.data.statistics import normalize
from framework.errors import EmberfieldError
from framework.experiment.artifacts import new_network
from framework.inspection import parameter_count
from framework.inspection.budget import int8_words
from framework.inspection.cost import graph_multiply_adds
from framework.inspection.coverage import mask_of
from framework.inspection.effective_field import EffectiveField, effective_field, mirrored
from framework.inspection.finding import Finding
from framework.inspection.network import Network
from framework.inspection.receptive_field import field_of
from framework.report import evidence
from framework.report.calibration import reliability, save_calibration
from framework.report.confusion import save_confusion
from framework.report.curves import save_curves
from framework.report.field_of_view import save_field_of_view
from framework.report.gallery import save_mistakes
from framework.report.grad_cam import feature_map_in_words, save_grad_cam
from framework.report.predictions import Predictions
from framework.run.directory import RunDirectory
from framework.run.history import EpochMetrics, best_epoch
from framework.seeding import torch_seed

ERF_IMAGES = 16
"""Test images over which the effective receptive field is averaged."""


@dataclass(frozen=True, kw_only=True)
class ReportedRun:
    """A run with all that a report is made from.

    `followed` is the network as its layers. `findings` are those of the constraints on it, `measured` of those on its
    test. `feature_map` says which one shows where the network looks, or is '' and `no_feature_map` the reason.
    """

    files: RunDirectory
    config: Config
    model: LoadedModel
    followed: Network
    data: DataModule
    predictions: Predictions
    history: list[EpochMetrics]
    inexact: list[str]
    findings: tuple[Finding, ...]
    measured: tuple[Finding, ...]
    networks: Networks
    feature_map: str
    no_feature_map: str

    @property
    def title(self) -> str:
        """The network and the data."""
        return f"{self.config.network.arch} on {self.data.data.name}"


def figures(run: ReportedRun) -> list[tuple[str, str]]:
    """What the report begins with: pairs of a name and a figure."""
    network, config = run.followed, run.config
    batch = config.training.batch_size * config.training.accumulate
    size = "x".join(map(str, dict.fromkeys(field_of(network).network.size)))
    best = best_epoch(run.history)
    chosen = f"{100 * best['val_accuracy']:.2f} % (epoch {best['epoch']})" if best else "none: no images held out"
    declared = (*run.findings, *run.measured)
    teachers = ", ".join(config.optimization.teacher or ())
    distilled = f"{teachers}, with alpha {config.optimization.distill_alpha:.4g}"
    return [
        ("test accuracy", f"{100 * run.predictions.accuracy:.2f} % of {len(run.predictions.labels):,} images"),
        *([("test top-5 accuracy", f"{100 * run.predictions.top(5):.2f} %")] if run.data.data.num_classes > 5 else []),
        ("test macro F1", f"{run.predictions.macro_f1:.4f}"),
        ("validation accuracy, on held-out training images", chosen),
        ("parameters", f"{parameter_count(network.model):,}"),
        *int8_words(network.graph),
        ("multiply-adds of an image", f"{graph_multiply_adds(network.graph):,}"),
        *([("receptive field before the global pooling", f"{size} pixels")] if run.feature_map else []),
        ("input coverage", f"{100 * mask_of(network).mean():.4g} % of the pixels"),
        ("declared constraints that hold", f"{sum(line.holds for line in declared)} of {len(declared)}"),
        ("trained on", f"{len(run.data.sampler.indices):,} images of {run.data.data.name}"),
        *([("distilled from", distilled)] if teachers else []),
        ("epochs", f"{len(run.history)} of {config.training.epochs}, batches of {batch}"),
        ("seed", str(config.training.seed)),
        ("training time", f"{sum(metrics['seconds'] for metrics in run.history):.0f} s"),
    ]


def warnings(run: ReportedRun) -> list[str]:
    """What a reader has to know before believing the figures."""
    said = []
    if broken := [line.name for line in run.findings if not line.holds]:
        said.append(f"The network breaks what was declared of it ({', '.join(broken)}); it was trained all the same.")
    said += [
        f"The test accuracy of {100 * (line.figure or 0):.2f} % is not what was declared, {line.limit}."
        for line in run.measured
        if not line.holds
    ]
    if len(run.history) < run.config.training.epochs:
        said.append(f"The run stopped after epoch {len(run.history)} of {run.config.training.epochs}.")
    if run.inexact:
        said.append(f"The run may differ from one that was left alone: {'; '.join(run.inexact)}.")
    return said + run.data.warnings


def save_pictures(folder: Path, run: ReportedRun) -> tuple[int, int]:
    """Saves the pictures of the report; how many mistakes the two galleries show."""
    model, predictions, images = run.model, run.predictions, run.data.data.test_images
    shutil.copyfile(run.files.augmented_samples, folder / evidence.SAMPLES)
    if run.history:
        save_curves(folder / evidence.CURVES, run.history, "")  # which is the report's own
    save_confusion(folder / evidence.CONFUSION, predictions.confusion(), predictions.class_names)
    save_calibration(folder / evidence.CALIBRATION, reliability(predictions))
    mistakes = save_mistakes(folder / evidence.MISTAKES, images, predictions)
    if not run.feature_map:
        return mistakes, 0
    explained = save_grad_cam(
        folder / evidence.GRAD_CAM,
        model.network,
        images,
        predictions,
        statistics=model.metadata.statistics,
        device=model.device,
    )
    save_field_of_view(folder / evidence.FIELD, mask_of(run.followed), effective_fields(run))
    return mistakes, explained


def feature_map_of(model: LoadedModel, data: DataModule) -> tuple[str, str]:
    """Which feature map Grad-CAM is taken from, in words, or '' and the reason why there is none."""
    image = torch.from_numpy(data.data.test_images[:1].copy()).to(model.device)
    try:
        return feature_map_in_words(model.network, normalize(image, model.metadata.statistics)), ""
    except EmberfieldError as error:
        return "", str(error)


def effective_fields(run: ReportedRun) -> dict[str, EffectiveField]:
    """The effective receptive field of the run's network before and after training, over test images.

    The images are continued until the theoretical field fits, where the network takes images of another size.
    """
    model = run.model
    torch.manual_seed(torch_seed(run.config.training.seed, "weights"))
    before = new_network(run.networks, model.metadata).to(model.device)
    images = torch.from_numpy(run.data.data.test_images[:ERF_IMAGES].copy()).to(model.device)
    pixels = normalize(images, model.metadata.statistics)
    field = field_of(run.followed).network
    height, width = (size + 2 * math.ceil(jump) for size, jump in zip(field.size, field.jump, strict=True))
    larger = mirrored(pixels, (height, width))
    compared = {"before training": before, "after training": model.network}
    try:
        return {title: effective_field(network, larger) for title, network in compared.items()}
    except EmberfieldError:  # it is made for its own size
        return {f"{title}, cut by the image": effective_field(network, pixels) for title, network in compared.items()}
