"""The report of a run, from its directory and the images that it was trained on."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.loaded_model import load_model
from framework.checkpoint.manager import checkpoint_paths
from framework.checkpoint.networks import Networks
from framework.config import Config
from framework.data.data_module import setup
from framework.data.image_data import ImageData
from framework.data.loader import evaluation_batch_size
from framework.errors import DataError, EmberfieldError, RunDirectoryError
from framework.experiment.data import Named, data_settings
from framework.experiment.report_evidence import figures, save_pictures, warnings
from framework.experiment.run import Run
from framework.experiment.training import own_images
from framework.inspection import check, constraint_table_json
from framework.report import layout
from framework.report.calibration import reliability
from framework.report.page import html_page
from framework.report.predictions import predict
from framework.report.sections import Evidence, Section
from framework.run.directory import RunDirectory, write_text
from framework.run.environment import check_libraries, choose_device

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment


def write_report(
    run: RunDirectory,
    config: Config,
    folder: Path,
    networks: Networks,
    *,
    command: str,
    device: torch.device,
    images: ImageData | None = None,
    headings: Mapping[str, str | Section] | None = None,
    readme_url: str | None = None,
    arch: str | None = None,
) -> tuple[Path, Path]:
    """Writes report.md, report.html and their pictures into `folder`, made if need be; the two files.

    `config` names the images where they lie now, or `images` are they; `command` trains the same again; `headings` are
    a recipe's own sections (see `framework.report.layout.report_text`); `arch` names an architecture that is not
    registered. The weights are those that the run reports. Raises RunDirectoryError for a folder that holds no run,
    CheckpointError for a run without a checkpoint, DataError for images that are missing or other ones,
    EmberfieldError for a link that is none.
    """
    if readme_url is not None and not re.fullmatch(r"https?://[^\s<>]+|[^\s<>:]+", readme_url):
        raise EmberfieldError(
            f"--readme-url is {readme_url!r}; it takes a link like https://example.org/README.md or ../README.md"
        )
    environment = read_environment(run)
    model = load_model(networks, run.path, device, arch)
    newest = next(iter(checkpoint_paths(run)), model.source)
    history = list(load_checkpoint(newest)["history"])
    data = setup(config, images)
    if data.data.fingerprint() != model.metadata.data_hash:
        raise DataError(f"{data.data.name} is not what {run.path} was trained on, {model.metadata.data}")
    predictions = predict(
        model.network,
        data.test_batches(evaluation_batch_size(device)),
        statistics=model.metadata.statistics,
        device=device,
        class_names=model.metadata.class_names,
    )
    findings = check(model.network, data.input_shape, config.constraints)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mistakes, explained = save_pictures(folder, run, config, model, data, predictions, history, networks)
        evidence = Evidence(
            title=f"{config.network.arch} on {data.data.name}",
            figures=figures(model, config, data, predictions, history, findings),
            warnings=warnings(config, data, history, findings),
            findings=constraint_table_json(findings),
            source={path: (run.source / path).read_text(encoding="utf-8") for path in environment["source"]},
            torchsummary=run.torchsummary.read_text(encoding="utf-8"),
            transforms=run.transforms.read_text(encoding="utf-8"),
            training_log=run.training_log.read_text(encoding="utf-8"),
            readme_url=readme_url,
            command=command,
            predictions=predictions,
            reliability=reliability(predictions),
            mistakes=mistakes,
            explained=explained,
            trained=bool(history),
        )
        text = layout.report_text(evidence, layout.HEADINGS if headings is None else headings)
        markdown, page = folder / "report.md", folder / "report.html"
        write_text(markdown, text)
        write_text(page, html_page(text, folder))
    except OSError as error:
        raise RunDirectoryError(f"cannot write the report of {run.path}: {error}") from error
    return markdown, page


def report_run(
    experiment: "Experiment",
    run: Run,
    out: Path | str | None,
    *,
    data: Named,
    readme_url: str | None,
    arch: str | None,
    device: str,
) -> tuple[Path, Path]:
    """What `Experiment.report` says."""
    check_libraries()
    config, images = run.config, data if isinstance(data, ImageData) else None
    if data is not None and images is None:
        config = config.updated(data_settings({"data": data}))
    return write_report(
        run.directory,
        config,
        run.path / "report" if out is None else Path(out),
        experiment.package(),
        command=f"python {' '.join(experiment.launcher)} --config {run.directory.config.name}",
        device=choose_device(device),
        images=own_images(experiment, config) if images is None else images,
        headings=experiment.report_sections,
        readme_url=readme_url,
        arch=arch,
    )


def read_environment(run: RunDirectory) -> dict[str, Any]:
    """What the run wrote of itself when it began. Raises RunDirectoryError if that is missing or not whole."""
    try:
        environment = json.loads(run.environment.read_text(encoding="utf-8"))
        if isinstance(environment, dict) and isinstance(environment.get("source"), list):
            return environment
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{run.environment} cannot be read: {error}") from error
    raise RunDirectoryError(f"{run.environment} does not list the network's code: the run is of an older version")
