"""The answer sheet of a run, from its directory and the images that it was trained on."""

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from architectures import create
from framework.checkpoint import load_checkpoint
from framework.config import Config
from framework.data import evaluation_batch_size, normalize
from framework.description import Description
from framework.errors import DataError, EmberfieldError, RunDirectoryError
from framework.generations import Generations
from framework.inspection import (
    EffectiveField,
    Finding,
    check,
    constraint_table_json,
    coverage_mask,
    effective_field,
    mirrored,
    multiply_adds,
    parameter_count,
    receptive_field,
)
from framework.preparation import Prepared, prepare
from framework.randomness import torch_seed
from framework.report import answer_sheet as sheet
from framework.report.calibration import reliability, save_calibration
from framework.report.confusion import save_confusion
from framework.report.curves import save_curves
from framework.report.field_of_view import save_field_of_view
from framework.report.grad_cam import save_grad_cam
from framework.report.mistakes import save_mistakes
from framework.report.page import html_page
from framework.report.predictions import Predictions, predict
from framework.run_directory import RunDirectory, write_text
from framework.training_state import Record, best_record
from recipes.restoring import Restored, restore
from recipes.summary import declared

ERF_IMAGES = 16
"""Test images over which the effective receptive field is averaged."""


def write_report(
    run: RunDirectory,
    folder: Path,
    *,
    recipe: str,
    data: str | None,
    device: torch.device,
    readme_url: str | None,
    arch: str | None,
    notify: Callable[[str], None],
) -> tuple[Path, Path]:
    """Writes report.md, report.html and their pictures into `folder`, made if need be; the two files.

    `recipe` names the recipe of the run; `data` is where the images lie now, None if where they were; `arch` names an
    architecture that is not registered. The weights are those that the run reports: the best on held-out images, else
    the last. Raises RunDirectoryError for a folder that holds no run of ours, CheckpointError for a run without a
    completed epoch, DataError for images that are missing or other ones, EmberfieldError for a link that is none.
    """
    if readme_url is not None and not re.fullmatch(r"https?://[^\s<>]+|[^\s<>:]+", readme_url):
        raise EmberfieldError(
            f"--readme-url is {readme_url!r}; it takes a link like https://example.org/README.md or ../README.md"
        )
    config = read_config(run)
    environment = read_environment(run)
    restored = restore(run.path, device, arch)
    newest = next(iter(Generations(run.checkpoints).paths()), restored.source)
    history = list(load_checkpoint(newest)["history"])
    images = prepare(config.updated({"data": data, "dataset": None}) if data else config, notify)
    if images.data.fingerprint() != restored.description.data_hash:
        raise DataError(f"{images.data.name} is not what {run.path} was trained on, {restored.description.data}")
    predictions = predict(
        restored.network,
        images.test(evaluation_batch_size(device)),
        statistics=restored.description.statistics,
        device=device,
        class_names=restored.description.class_names,
    )
    findings = check(restored.network, images.input_shape, declared(config.constraints))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mistakes, explained = save_pictures(folder, run, config, restored, images, predictions, history)
        evidence = sheet.Evidence(
            title=f"{config.network.arch} on {images.data.name}",
            figures=figures(restored, config, images, predictions, history, findings),
            warnings=warnings(config, images, history, findings),
            findings=constraint_table_json(findings),
            source={path: (run.source / path).read_text(encoding="utf-8") for path in environment["source"]},
            torchsummary=run.torchsummary.read_text(encoding="utf-8"),
            transforms=run.transforms.read_text(encoding="utf-8"),
            training_log=run.training_log.read_text(encoding="utf-8"),
            readme_url=readme_url,
            command=f"python -m recipes.{recipe} --config {run.config.name}",
            predictions=predictions,
            reliability=reliability(predictions),
            mistakes=mistakes,
            explained=explained,
            trained=bool(history),
        )
        text = sheet.answer_sheet(evidence)
        markdown, page = folder / "report.md", folder / "report.html"
        write_text(markdown, text)
        write_text(page, html_page(text, folder))
    except OSError as error:
        raise RunDirectoryError(f"cannot write the report of {run.path}: {error}") from error
    return markdown, page


def read_config(run: RunDirectory) -> Config:
    """The settings of a run. Raises RunDirectoryError if the folder holds none."""
    if not run.config.is_file():
        raise RunDirectoryError(f"{run.path} holds no run (no {run.config.name})")
    return Config().merged_with_file(run.config)


def read_environment(run: RunDirectory) -> dict[str, Any]:
    """What the run wrote of itself when it began. Raises RunDirectoryError if that is missing or not whole."""
    try:
        environment = json.loads(run.environment.read_text(encoding="utf-8"))
        if isinstance(environment, dict) and isinstance(environment.get("source"), list):
            return environment
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{run.environment} cannot be read: {error}") from error
    raise RunDirectoryError(f"{run.environment} does not list the network's code: the run is of an older version")


def figures(
    restored: Restored,
    config: Config,
    images: Prepared,
    predictions: Predictions,
    history: list[Record],
    findings: tuple[Finding, ...],
) -> list[tuple[str, str]]:
    """What the sheet begins with."""
    network, shape = restored.network, images.input_shape
    field = receptive_field(network, shape).network.size
    best = best_record(history)
    chosen = f"{100 * best['val_accuracy']:.2f} % (epoch {best['epoch']})" if best else "none: no images held out"
    optimization = config.optimization
    teachers = ", ".join(optimization.teacher or ())
    taught = f"{teachers}, whose answers are {optimization.teacher_weight:.4g} of the loss"
    return [
        ("test accuracy", f"{100 * predictions.accuracy:.2f} % of {len(predictions.labels):,} images"),
        ("accuracy on held-out training images", chosen),
        ("parameters", f"{parameter_count(network):,}"),
        ("multiply-adds of an image", f"{multiply_adds(network, shape):,}"),
        ("receptive field before the global pooling", "x".join(map(str, dict.fromkeys(field))) + " pixels"),
        ("input coverage", f"{100 * coverage_mask(network, shape).mean():.4g} % of the pixels"),
        ("declared constraints that hold", f"{sum(line.holds for line in findings)} of {len(findings)}"),
        ("trained on", f"{len(images.batches.indices):,} images of {images.data.name}"),
        *([("taught by", taught)] if teachers else []),
        ("epochs", f"{len(history)} of {config.training.epochs}, batches of {config.training.batch_size}"),
        ("seed", str(config.training.seed)),
        ("training time", f"{sum(record['seconds'] for record in history):.0f} s"),
    ]


def warnings(config: Config, images: Prepared, history: list[Record], findings: tuple[Finding, ...]) -> list[str]:
    """What a reader has to know before believing the figures."""
    said = []
    if broken := [line.name for line in findings if not line.holds]:
        said.append(f"The network breaks what was declared of it ({', '.join(broken)}); it was trained all the same.")
    if len(history) < config.training.epochs:
        said.append(f"The run stopped after epoch {len(history)} of {config.training.epochs}.")
    return said + images.cautions


def save_pictures(
    folder: Path,
    run: RunDirectory,
    config: Config,
    restored: Restored,
    images: Prepared,
    predictions: Predictions,
    history: list[Record],
) -> tuple[int, int]:
    """Saves the pictures of the sheet; how many mistakes the two galleries show."""
    description, network, device = restored.description, restored.network, restored.device
    shutil.copyfile(run.augmented_samples, folder / sheet.SAMPLES)
    if history:
        save_curves(folder / sheet.CURVES, history, f"{config.network.arch} on {images.data.name}")
    save_confusion(folder / sheet.CONFUSION, predictions.confusion(), predictions.class_names)
    save_calibration(folder / sheet.CALIBRATION, reliability(predictions))
    mistakes = save_mistakes(folder / sheet.MISTAKES, images.data.test_images, predictions)
    explained = save_grad_cam(
        folder / sheet.GRAD_CAM,
        network,
        images.data.test_images,
        predictions,
        statistics=description.statistics,
        device=device,
    )
    fields = effective_fields(restored, config, images)
    save_field_of_view(folder / sheet.FIELD, coverage_mask(network, images.input_shape), fields)
    return mistakes, explained


def effective_fields(restored: Restored, config: Config, images: Prepared) -> dict[str, EffectiveField]:
    """The effective receptive field of the run's network before and after training, over test images.

    The images are continued until the theoretical field fits, where the network takes images of another size.
    """
    before = new_network(restored.description, config.training.seed).to(restored.device)
    seen = torch.from_numpy(images.data.test_images[:ERF_IMAGES].copy()).to(restored.device)
    pixels = normalize(seen, restored.description.statistics)
    field = receptive_field(before, images.input_shape).network
    height, width = (size + 2 * math.ceil(jump) for size, jump in zip(field.size, field.jump, strict=True))
    larger = mirrored(pixels, (height, width))
    networks = {"before training": before, "after training": restored.network}
    try:
        return {title: effective_field(network, larger) for title, network in networks.items()}
    except EmberfieldError:  # it is made for its own size
        return {f"{title}, cut by the image": effective_field(network, pixels) for title, network in networks.items()}


def new_network(description: Description, seed: int) -> torch.nn.Module:
    """The network of a run as it was before its first step."""
    torch.manual_seed(torch_seed(seed, "weights"))
    return create(
        description.arch,
        num_classes=len(description.class_names),
        in_channels=description.in_channels,
        **description.arch_options,
    )
