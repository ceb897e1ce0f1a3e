"""A training from its configuration to its results."""

import functools
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from framework.checkpoint.networks import Networks, create_network, place
from framework.checkpoint.resume import require_resumable, resume_point
from framework.config import Config
from framework.config.config import walk
from framework.config.declaration import unknown
from framework.config.idle import require_used_defaults
from framework.data.data_module import DataModule, preprocessing_of, setup
from framework.data.image_data import ImageData
from framework.data.registry import open_named
from framework.distributed import init_distributed
from framework.engine.fit import fit
from framework.engine.frozen import freeze
from framework.engine.network_trial import require_trainable_network
from framework.engine.training import Extensions, make_training
from framework.errors import EmberfieldError, RunDirectoryError, StoppedError
from framework.experiment.artifacts import changed_code, describe, record_results, record_start, resumed_lines
from framework.experiment.findings import find
from framework.experiment.initial_weights import begin_with_trained, initialize_from_images
from framework.experiment.learning_rate import save_found, with_found_rate
from framework.experiment.named_data import own_images
from framework.experiment.run import Run
from framework.experiment.settings import data_settings, how_to_resume, preset_file, require_named, resolve_config
from framework.experiment.teachers import as_teacher, keep_teachers, load_teachers
from framework.inspection import parameter_count, require
from framework.inspection.finding import Finding
from framework.run.allocator import keep_freed_memory
from framework.run.console import console_logging
from framework.run.directory import (
    RunDirectory,
    finished,
    make_run_directory,
    open_run_directory,
    remove_unused,
    require_own_files,
)
from framework.run.environment import choose_device, make_deterministic, process_rank
from framework.run.given_path import given_path
from framework.run.history import EpochMetrics
from framework.run.logs import EpochLog
from framework.run.signals import Stop
from framework.run.trackers import require_trackers
from framework.seeding import seed_globals, torch_seed

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment

logger = logging.getLogger(__name__)


def run_training(
    experiment: "Experiment",
    out: Path | str | None,
    settings: Mapping[str, Any],
    *,
    resume: bool,
    preset: str | None,
    variant: str | None,
    files: Sequence[Path],
) -> Run:
    """What `Experiment.train` says; 'data' of the `settings` may be images in memory."""
    given = None
    if not isinstance(settings.get("data"), (str, Path, NoneType)):
        given, settings = settings["data"], {name: value for name, value in settings.items() if name != "data"}
    require_used_defaults(experiment.defaults)
    if variant is not None:
        if variant not in experiment.variants:
            raise EmberfieldError(unknown("variant", variant, experiment.variants))
        settings = {**experiment.variants[variant], **settings}
    if resume and out is None:
        raise EmberfieldError("--resume needs --out, the run directory to go on with")
    folder = Path("runs") if out is None else given_path(out, "out")  # without --out only the first process has one
    if resume and folder.is_dir():
        require_own_files(folder)
    begun = Run(folder, experiment, given) if resume and RunDirectory(folder).config.is_file() else None
    try:
        config = experiment.settings(settings, preset=preset, files=files, run=begun)
    except RunDirectoryError:
        if begun:
            require_resumable(begun.directory)
        raise
    if begun:
        chosen = [preset_file(experiment.presets, preset)] if preset else []
        named = resolve_config(experiment.defaults, None, [*chosen, *files], data_settings(settings))
        require_named(config, named, experiment.package(), folder)
    require_trackers(config.machine.log)
    if out is None and process_rank() == 0:
        folder = make_run_directory(experiment.name)
    opened = open_run_directory(folder, resume=resume) if process_rank() == 0 else nullcontext(RunDirectory(folder))
    with console_logging(), Stop() as stop:
        if begun and (results := finished(begun.directory, config.training.epochs)):
            logger.info("%s is finished: test accuracy %.2f %%", folder, 100 * results["test_accuracy"])
            return begun
        if begun:
            require_resumable(begun.directory)
        with opened as run:
            extensions = Extensions(
                loss_terms=experiment.loss_terms, metrics=experiment.metrics, handlers=experiment.handlers
            )
            try:
                own = own_images(experiment, config.data) if given is None else None
                images = own if given is None else open_named(given, preprocessing_of(config))
                train(config, run, stop, experiment.package(), images=images, extensions=extensions)
            except StoppedError as stopped:
                again = how_to_resume(experiment, folder, config, in_memory=given is not None)
                raise StoppedError(f"{stopped}; to go on: {again}") from None
            finally:
                if out is None and process_rank() == 0:
                    remove_unused(run)
    return Run(folder, experiment, given)


def train(
    config: Config,
    run: RunDirectory,
    stop: Stop,
    networks: Networks,
    *,
    images: ImageData | None = None,
    extensions: Extensions | None = None,
) -> None:
    """Trains, or goes on with, the run in a directory, then reports on the test images; `stop` ends it at any step.

    Everything that is random is keyed on `config.training.seed`; choices are made on held-out training images alone.
    `images` stand in for those that the configuration names.
    """
    keep_freed_memory()
    if config.machine.deterministic:
        make_deterministic()
    device = choose_device(config.machine.device)
    with init_distributed(device, config.training.batch_size) as processes:
        data = setup(config, images, rank=processes.rank, world_size=processes.world_size)
        config = config.updated({"image_size": data.input_shape[1]})  # which the images may have decided
        if processes.is_main and data.shared_warning:
            logger.warning("%s: %s", data.data.name, data.shared_warning)
        network, findings = build_network(config, data, networks, device)
        require_trainable_network(network, config, data, device, processes, extensions.loss_terms if extensions else ())
        if processes.is_main:
            announce(run, config, data, network, findings, device)
        # A used directory goes on from its newest checkpoint, with the precision that it began with.
        point = processes.broadcast_object(resume_point(run, data.data) if processes.is_main else None)
        begin_with_trained(network, config, data.data, networks, device, begun=point is not None)
        metadata = point.metadata if point else processes.broadcast_object(describe(config, data, network, device))
        teachers = load_teachers(config, run, data.data, networks, device, begun=point is not None)
        parts = functools.partial(
            make_training,
            device=device,
            metadata=metadata,
            teacher=as_teacher(teachers, config),
            extensions=extensions,
            processes=processes,
        )
        config, found = with_found_rate(network, config, data, parts, stop if processes.world_size == 1 else None)
        state = parts(network, config, data)
        if point:
            state.load_state_dict(point.checkpoint, point.source, max_epochs=config.training.epochs)
            state.inexact += changed_code(run, networks, config, state.step) if processes.is_main else []
            for change in state.inexact:
                logger.warning("this run may differ from one that was left alone: %s", change)
        elif processes.is_main:
            record_start(run, config, data, network, findings, metadata, device, networks)
            keep_teachers(run, teachers)
            if found:
                save_found(run.lr_finder, config, data, found)
        resumed = resumed_lines(run, config, state.step) if point and processes.is_main else []
        with closing(epoch_log(run if processes.is_main else None, config, state.history)) as log:
            for line in resumed:
                log.write(line)
            run_on = functools.partial(fit, state, data, config, run, device=device, log=log, stop=stop)
            run_on(extensions=extensions, processes=processes)
    if processes.is_main:  # the test images, once
        record_results(run, config, data, state, log, networks, device, extensions)


def epoch_log(run: RunDirectory | None, config: Config, history: Sequence[EpochMetrics]) -> EpochLog:
    """The logs of a run, and the trackers that the configuration names."""
    settings = {name: value for _, name, value in walk(config)}
    return EpochLog(run, config.training.epochs, history, trackers=config.machine.log, settings=settings)


def announce(
    run: RunDirectory,
    config: Config,
    data: DataModule,
    network: nn.Module,
    findings: Sequence[Finding],
    device: torch.device,
) -> None:
    """Logs what is about to be trained, on what, and where it goes."""
    images, side = data.data, data.input_shape[1]
    counts = (f"{len(group):,}" for group in (data.sampler.indices, data.held_out, images.test_labels))
    held = f"{sum(finding.holds for finding in findings)} of {len(findings)}" if findings else "no"
    parameters, threads = f"{parameter_count(network):,}", torch.get_num_threads()
    computing = f"{device}, {threads} thread{'' if threads == 1 else 's'}" if device.type == "cpu" else str(device)
    for line in (
        "data {}: {} training, {} validation, {} test images, {} classes".format(
            images.name, *counts, images.num_classes
        ),
        f"network {config.network.arch}: {side}x{side} pixels, {parameters} parameters, "
        f"{held} constraints{' hold' if findings else ''}",
        f"device {computing}, precision {config.machine.precision}",
        f"run directory {run.path}",
    ):
        logger.info("%s", line)


def build_network(
    config: Config, data: DataModule, networks: Networks, device: torch.device
) -> tuple[nn.Module, tuple[Finding, ...]]:
    """The network, created by name and held to its constraints, on its device in channels_last; and what was found.

    Layers whose first weights depend on the images have them from the training images.

    Raises ConstraintError for a broken constraint, unless the configuration allows it.
    """
    seed = torch_seed(config.training.seed, "weights")
    seed_globals(seed)
    torch.manual_seed(seed)
    network = create_network(
        networks,
        config.network.arch,
        config.network.arch_options,
        num_classes=data.data.num_classes,
        in_channels=data.data.channels,
    )
    findings = find(network, data.input_shape, config.constraints)
    if not config.constraints.no_constraints:
        require(findings)
    place(network, device)
    initialize_from_images(network, data)
    freeze(network, config.network.freeze)
    return network, findings
