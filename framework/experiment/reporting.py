"""The report of a run, from its directory and the images that it was trained on."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths
from framework.data.data_module import setup
from framework.data.loader import evaluation_batch_size
from framework.errors import EmberfieldError, RunDirectoryError
from framework.experiment.findings import find
from framework.experiment.named_data import named_images, require_same_images
from framework.experiment.report_evidence import ReportedRun, feature_map_of, figures, save_pictures, warnings
from framework.experiment.run import Run
from framework.inspection.constraints import check_accuracy
from framework.inspection.network import follow_network
from framework.report.evidence import MODEL, Evidence
from framework.report.latency import checked_figures
from framework.report.page import html_page
from framework.report.predictions import predict
from framework.report.provenance import provenance
from framework.report.sections import report_text
from framework.run.atomic import remove_leftovers
from framework.run.directory import RunDirectory, require_own_files, write_text
from framework.run.given_path import given_path


def write_report(run: Run, out: Path | str | None, *, readme_url: str | None, device: str) -> tuple[Path, Path]:
    """What `Experiment.report` says. The weights are those that the run reports.

    Raises RunDirectoryError for a folder that holds no run, CheckpointError for a run without a checkpoint, DataError
    for images that are missing or other ones, EmberfieldError for a link that is none.
    """
    if readme_url is not None and not re.fullmatch(r"https?://[^\s<>]+|[^\s<>:]+", readme_url):
        raise EmberfieldError(
            f"--readme-url is {readme_url!r}; it takes a link like https://example.org/README.md or ../README.md"
        )
    folder = run.path / "report" if out is None else given_path(out, "out")
    if run.path.is_dir():
        require_own_files(run.path)
    files, experiment = run.directory, run.experiment
    environment = read_environment(files)
    source = read_source(files, environment["source"])
    summary, transforms, log = map(read_file, (files.torchsummary, files.transforms, files.training_log))
    reported = read_run(run, device)
    model, reason = model_file(reported, source)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder, r"report\.(md|html)|model\.py")
        mistakes, explained = save_pictures(folder, reported)
        evidence = Evidence(
            title=reported.title,
            figures=[*figures(reported), *provenance(environment)],
            warnings=warnings(reported),
            findings=(*reported.findings, *reported.measured),
            source=source,
            model=model,
            in_files_because=reason,
            torchsummary=summary,
            transforms=transforms,
            training_log=log,
            readme_url=readme_url,
            command=f"python {' '.join(experiment.launcher)} --config {shlex.quote(str(files.config))}",
            predictions=reported.predictions,
            mistakes=mistakes,
            explained=explained,
            feature_map=reported.feature_map,
            no_feature_map=reported.no_feature_map,
            history=reported.history,
            benchmark=read_benchmark(files.benchmark),
            weights=reported.model.weights_sha256(),
        )
        text = report_text(evidence, experiment.report_sections)
        markdown, page = folder / "report.md", folder / "report.html"
        write_text(markdown, text)
        if model:
            write_text(folder / MODEL, model)
        write_text(page, html_page(text, folder))
    except OSError as error:
        raise RunDirectoryError(f"cannot write the report of {run.path}: {error}") from error
    return markdown, page


def read_run(run: Run, device: str = "auto") -> ReportedRun:
    """A run's network, on its images. Raises as `write_report` does."""
    experiment, config = run.experiment, run.config
    model = experiment.load(run.path, arch=run.arch, device=device)
    checkpoint = load_checkpoint(next(iter(checkpoint_paths(run.directory)), model.source))
    images = named_images(experiment, model, run.data)
    if run.data is not None:
        require_same_images(images, model)
    module = setup(config, images)
    predictions = predict(
        model.network,
        module.test_batches(evaluation_batch_size(model.device)),
        statistics=model.metadata.statistics,
        device=model.device,
        class_names=model.metadata.class_names,
    )
    feature_map, no_feature_map = feature_map_of(model, module)
    return ReportedRun(
        files=run.directory,
        config=config,
        model=model,
        followed=follow_network(model.network, module.input_shape),
        data=module,
        predictions=predictions,
        history=list(checkpoint["history"]),
        inexact=list(checkpoint.get("inexact", ())),
        findings=find(model.network, module.input_shape, config.constraints),
        measured=check_accuracy(predictions.accuracy, config.constraints),
        networks=experiment.package(),
        feature_map=feature_map,
        no_feature_map=no_feature_map,
    )


def model_file(run: ReportedRun, source: Mapping[str, str]) -> tuple[str, str]:
    """The run's network as one file, made of its newest code, or '' and the reason why it cannot be one.

    The package of networks makes it, if it has a function `standalone` as `architectures` does.
    """
    latest = {re.sub(r"^since-step-\d+/", "", path): text for path, text in source.items()}
    metadata = run.model.metadata
    classes, channels = len(metadata.class_names), metadata.in_channels
    make = getattr(run.networks, "standalone", None)
    if make is None:
        return "", f"the networks of {metadata.arch} have no function `standalone`"
    try:
        return make(metadata.arch, latest, num_classes=classes, in_channels=channels, **metadata.arch_options), ""
    except ValueError as error:
        return "", str(error)


def read_environment(run: RunDirectory) -> dict[str, Any]:
    """What the run wrote of itself when it began. Raises RunDirectoryError if that is missing or not whole."""
    try:
        environment = json.loads(run.environment.read_text(encoding="utf-8"))
        source = environment.get("source") if isinstance(environment, dict) else None
        if isinstance(source, list) and all(isinstance(name, str) for name in source):
            return dict(environment)
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{run.environment} cannot be read: {error}") from error
    raise RunDirectoryError(f"{run.environment} does not list the network's code: the run is of an older version")


def read_benchmark(path: Path) -> dict[str, Any] | None:
    """What `benchmark` kept in a run, None if it was not called; RunDirectoryError for anything else."""
    if not path.exists():
        return None
    try:
        return checked_figures(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}; call `benchmark` again") from error


def read_source(run: RunDirectory, listed: list[str]) -> dict[str, str]:
    """The network's code by path, then what it was changed to; RunDirectoryError for a path out of its folder."""
    changed = sorted(path.relative_to(run.source).as_posix() for path in run.source.glob("since-step-*/**/*.py"))
    found = {}
    for name in (*listed, *changed):
        path = run.source / name
        inside = re.fullmatch(r"[\w/.-]+", name) and path.resolve().is_relative_to(run.source.resolve())
        if not inside:
            raise RunDirectoryError(f"{run.environment} names code outside of the run: {name!r}")
        found[name] = read_file(path)
    return found


def read_file(path: Path) -> str:
    """A text file of a run. Raises RunDirectoryError if it cannot be read, or is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}") from error
