"""A search over settings by Optuna: each trial is a run, judged by its validation accuracy."""

import importlib
import json
import logging
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config import Config
from framework.data.data_module import preprocessing_of, setup
from framework.data.registry import open_named
from framework.errors import DeviceError, EmberfieldError, NonFiniteError, RunDirectoryError
from framework.experiment.named_data import own_images
from framework.experiment.run import Run
from framework.experiment.search_space import SearchSpace, read_space
from framework.experiment.several import (
    in_memory,
    log_table,
    named_variants,
    open_folder,
    require_one_process,
    saying_how_to_go_on,
    shared_settings,
)
from framework.run.console import console_logging
from framework.run.directory import make_run_directory, write_json
from framework.run.given_path import given_path
from framework.seeding import torch_seed

if TYPE_CHECKING:
    from optuna import Study

    from framework.experiment.experiment import Experiment

logger = logging.getLogger(__name__)

SPACE, STUDY, RESULTS = "space.json", "study.db", "results.json"
"""What the folder of a sweep holds beside its runs: what is searched, Optuna's study of the trials, the figures."""


def sweep(
    experiment: "Experiment",
    out: Path | str | None = None,
    *,
    space: Mapping[str, Any],
    trials: int = 20,
    resume: bool = False,
    preset: str | None = None,
    variant: str | None = None,
    files: Sequence[Path] = (),
    **settings: Any,
) -> Run:
    """Trains `trials` runs OUT/trial-N with settings of a `space`, and returns the one that is best on validation.

    The space has for a setting a list of values, or {"min": ..., "max": ...}, with "log": true or a "step". What is
    chosen from it is keyed on the seed and the trial: with `resume` a sweep that was ended at any instant goes on to
    the same trials. One whose loss is not finite has failed, and the others go on. All else is as in
    `Experiment.train`.

    Raises EmberfieldError for a space that is none, or without validation images, DeviceError without Optuna,
    RunDirectoryError for a folder that is in use, or, on a resume, for another space, NonFiniteError if all trials
    fail, and as `Experiment.train` does.
    """
    try:
        importlib.import_module("optuna")
    except ImportError as error:
        raise DeviceError("a sweep needs Optuna: pip install 'emberfield[sweep]'") from error
    require_one_process(resume=resume, out=out)
    if variant is not None:
        named_variants([variant], experiment.variants)
        settings = {**experiment.variants[variant], **settings}
    shared = shared_settings(experiment, settings, preset, files)
    searched = read_space(space, shared, settings)
    require_validation(experiment, shared, settings.get("data"))
    folder = make_run_directory(f"{experiment.name}-sweep") if out is None else given_path(out, "out")
    open_folder(folder, shared, resume=resume)
    keep_space(folder, {"seed": shared.training.seed, "space": json.loads(json.dumps(space))})
    with console_logging(), opened_study(folder) as study, saying_how_to_go_on(folder, repeated=resume):
        for number in range(len(study.trials), trials):
            params = searched.suggested(study.trials, torch_seed(shared.training.seed, "sweep", number) % 2**32)
            chosen = searched.settings(params)
            logger.info(
                "trial %d of %d: %s", number + 1, trials, ", ".join(f"{n} {said(v)}" for n, v in chosen.items())
            )
            given = {"preset": preset, "files": files, **settings, **chosen}
            accuracy = None
            try:
                run = experiment.train(trial_folder(folder, number), resume=True, **given)
                accuracy = run.results["validation_accuracy"]
            except NonFiniteError as error:
                logger.warning("trial %d failed: %s", number + 1, error)
            record(study, params, searched, accuracy)
        best = sum_up(experiment, folder, study, searched)
    return Run(best, experiment, settings["data"] if in_memory(settings) else None)


def require_validation(experiment: "Experiment", shared: Config, data: Any) -> None:
    """Raises EmberfieldError where no images are held out, and DataError as a training would."""
    in_use = open_named(data, preprocessing_of(shared)) if in_memory({"data": data}) else None
    if not len(setup(shared, in_use or own_images(experiment, shared.data)).held_out):
        raise EmberfieldError("a sweep chooses on validation images, and there are none: see --val-size")


def keep_space(folder: Path, content: Mapping[str, Any]) -> None:
    """Keeps what is searched in the folder, or sees on a resume that it is the same; else raises RunDirectoryError."""
    file = folder / SPACE
    if not file.is_file():
        if any(folder.glob("*/config.json")):
            raise RunDirectoryError(f"{folder} holds runs of --seeds or --variants, and no sweep: choose another --out")
        write_json(file, content)
    before = json.loads(file.read_text(encoding="utf-8"))
    for name, value in content.items():
        if before.get(name) != value:
            raise RunDirectoryError(
                f"cannot resume {folder}: {name} was {json.dumps(before.get(name))} and is now {json.dumps(value)}"
            )


@contextmanager
def opened_study(folder: Path) -> "Iterator[Study]":
    """Optuna's study in a folder, made if need be; it holds finished trials alone, each written at once.

    Raises RunDirectoryError where the file cannot be read or written.
    """
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{(folder / STUDY).absolute()}")
        try:
            yield optuna.create_study(storage=storage, study_name="sweep", direction="maximize", load_if_exists=True)
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except optuna.exceptions.StorageInternalError as error:
        raise RunDirectoryError(f"cannot use {folder / STUDY}: {error}") from error
    finally:
        optuna.logging.set_verbosity(verbosity)


def record(study: "Study", params: Mapping[str, Any], searched: SearchSpace, accuracy: float | None) -> None:
    """Adds a finished trial to the study; without an accuracy it has failed."""
    from optuna.trial import TrialState, create_trial

    state = TrialState.FAIL if accuracy is None else TrialState.COMPLETE
    made = create_trial(state=state, value=accuracy, params=dict(params), distributions=searched.distributions)
    study.add_trial(made)


def trial_folder(folder: Path, number: int) -> Path:
    """The run directory of a trial, counted from 0."""
    return folder / f"trial-{number:03}"


def said(value: object) -> str:
    """A value for people."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def sum_up(experiment: "Experiment", folder: Path, study: "Study", searched: SearchSpace) -> Path:
    """Logs the trials, the best first, and how to repeat it; writes results.json, and gives its folder.

    Raises NonFiniteError if every trial has failed.
    """
    ranked = sorted(study.trials, key=lambda trial: -1.0 if trial.value is None else trial.value, reverse=True)
    if not ranked or ranked[0].value is None:
        raise NonFiniteError(f"the loss of every trial in {folder} was not finite: try other values in --space")
    rows = [("trial", "validation accuracy", *searched.given)]
    for trial in ranked:
        accuracy = "failed" if trial.value is None else f"{100 * trial.value:.2f} %"
        used = searched.settings(trial.params)
        cells = (said(used[name]) if name in used else "-" for name in searched.given)
        rows.append((trial_folder(folder, trial.number).name, accuracy, *cells))
    log_table(rows)
    best = trial_folder(folder, ranked[0].number)
    again = repeat_command(experiment, best)
    logger.info("best on validation: %s; to repeat it, with its test accuracy: %s", best.name, again)
    figures = [
        {
            "trial": trial_folder(folder, trial.number).name,
            "validation_accuracy": trial.value,
            "settings": searched.settings(trial.params),
        }
        for trial in study.trials
    ]
    write_json(folder / RESULTS, {"best": best.name, "repeat": again, "trials": figures})
    return best


def repeat_command(experiment: "Experiment", trial: Path) -> str:
    """What trains a trial again, to the same bits, and says its test accuracy: a command, or a call in a notebook."""
    config, out = trial / "config.json", trial.parent.with_name(f"{trial.parent.resolve().name}-best")
    if "ipykernel" in sys.modules or experiment.module is None:
        return f"train({str(out)!r}, files=[Path({str(config)!r})])"
    return shlex.join(["python", *experiment.launcher, "--config", str(config), "--out", str(out)])
