"""A record made: its stages one after the other, each of several seeds, resumed wherever they were stopped.

No stage chooses anything by a figure of another: stages, seeds and teachers are declared before any of them runs.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config import Config, differences, saved_config
from framework.config.declaration import unknown
from framework.errors import EmberfieldError, RunDirectoryError, StoppedError
from framework.experiment.published import publish
from framework.experiment.run import Run
from framework.experiment.several import open_folder, train_runs
from framework.experiment.stages import Record, read_record
from framework.run.code_version import CodeVersion, committed_code, root_of
from framework.run.directory import require_own_files, write_json
from framework.run.signals import Stop

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment

logger = logging.getLogger(__name__)

SMOKE: Mapping[str, Any] = {
    **{"data": "digits", "epochs": 1, "limit_batches": 2, "batch_size": 8},
    **{"compile": False, "checkpoint_every": "1"},
}
"""What a rehearsal changes: every stage trains two steps on digits."""

TIMED: Mapping[str, Any] = {"epochs": 2, "limit_batches": 10}
"""What the trainings change by which the time is estimated."""

CODE = "code.json"
"""The file beside the stages' folders that says with which code they began."""


def make_record(
    experiment: "Experiment",
    folder: Path,
    out: Path | None = None,
    *,
    stages: Sequence[str] = (),
    seeds: Sequence[int] = (),
    adopted: Mapping[str, Path] | None = None,
    side_by_side: int = 1,
    **settings: Any,
) -> None:
    """Trains the stages of a record in OUT/STAGE/seed-N, or goes on with them, and writes them into its `folder`.

    OUT is runs/NAME where it is not given; `stages` and `seeds` are as in `Record.needed`. `adopted` are finished runs
    by the STAGE/seed-N that they are to be. `settings` are those that the machine decides, as 'data' and 'device'.

    Raises EmberfieldError for code that is not committed, RunDirectoryError for an OUT that was begun with other code,
    StoppedError for a signal, and as `train_runs` and `adopt` do.
    """
    record = read(experiment, folder).needed(stages, seeds)
    places = [f"{name}/seed-{seed}" for name, stage in record.stages.items() for seed in stage.seeds]
    for place in adopted or ():
        if place not in places:
            raise EmberfieldError(unknown("run of the record", place, places))
    code = committed_code(root_of(folder), source_folders(experiment))
    out = out or Path("runs", folder.resolve().name)
    begin(out, code)
    trained = train_stages(experiment, record, out, settings, adopted=adopted or {}, side_by_side=side_by_side)
    publish(folder, trained, code)


def read(experiment: "Experiment", folder: Path) -> Record:
    """The record that a folder declares, whose teachers may be the experiment's published weights."""
    return read_record(folder, list(experiment.package().PRETRAINED))


def smoke(
    experiment: "Experiment", folder: Path, out: Path | None = None, *, stages: Sequence[str] = (), **settings: Any
) -> None:
    """Trains the first seed of every stage for two steps on digits; goes on with what is in OUT, or runs/smoke-NAME."""
    record = read(experiment, folder).needed(stages).rehearsal(published=False)  # those have other classes
    out = out or Path("runs", f"smoke-{folder.resolve().name}")
    logger.info("a rehearsal on digits, without the teachers that are published weights")
    train_stages(experiment, record, out, {**settings, **SMOKE})


def estimate(
    experiment: "Experiment", folder: Path, *, stages: Sequence[str] = (), **settings: Any
) -> dict[str, float]:
    """The hours of each stage on this machine, one training after another without the tests, from 10 steps of each."""
    record, hours = read(experiment, folder).needed(stages), {}
    with tempfile.TemporaryDirectory(prefix="emberfield-") as scratch:
        rehearsal = record.rehearsal(published=True)
        for name, (run,) in train_stages(experiment, rehearsal, Path(scratch), {**settings, **TIMED}).items():
            planned = experiment.settings(record.stages[name].settings, preset=record.stages[name].preset).training
            images = json.loads(run.directory.environment.read_text(encoding="utf-8"))["training_images"]
            seconds = run.history[-1]["seconds"] / TIMED["limit_batches"] * images / planned.batch_size
            hours[name] = seconds * planned.epochs * len(record.stages[name].seeds) / 3600
    return hours


def train_stages(
    experiment: "Experiment",
    record: Record,
    out: Path,
    changes: Mapping[str, Any],
    *,
    adopted: Mapping[str, Path] | None = None,
    side_by_side: int = 1,
) -> dict[str, list[Run]]:
    """Trains a record's stages with `changes` of their settings; `adopted` as in `make_record`."""
    trained: dict[str, list[Run]] = {}
    with Stop():
        for name, stage in record.stages.items():
            teachers = [
                path
                for teacher in stage.teachers
                for path in ([str(run.path) for run in trained[teacher]] if teacher in trained else [teacher])
            ]
            settings = {**stage.settings, **changes, "teacher": tuple(teachers) or None}
            logger.info("stage %s", name)
            for seed in stage.seeds:
                if source := (adopted or {}).get(place := f"{name}/seed-{seed}"):
                    config = experiment.settings({**settings, "seed": seed}, preset=stage.preset)
                    open_folder(out / name, config, resume=True)
                    adopt(source, out / place, config)
            try:
                _, trained[name] = train_runs(
                    experiment,
                    out / name,
                    seeds=stage.seeds,
                    resume=True,
                    side_by_side=side_by_side,
                    preset=stage.preset,
                    **settings,
                )
            except StoppedError as stopped:
                raise StoppedError(f"{str(stopped).split(';')[0]}; to go on with the record, repeat this") from None
    return trained


def begin(out: Path, code: CodeVersion) -> None:
    """Keeps the version of the code in a new OUT. Raises RunDirectoryError for one that was begun with other code."""
    kept = out / CODE
    try:
        if not kept.is_file():
            out.mkdir(parents=True, exist_ok=True)
            write_json(kept, asdict(code))
        before = CodeVersion(**json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunDirectoryError(f"{out} is no folder for a record: {error}") from error
    if before.source_sha256 != code.source_sha256:
        raise RunDirectoryError(
            f"{out} was begun with the code of commit {before.commit}, and this is that of {code.commit}: check the "
            "former out, or choose another --out"
        )


def adopt(source: Path, target: Path, config: Config) -> None:
    """Copies a finished run of committed code to where the record would have trained it, if nothing is there.

    Raises RunDirectoryError for any other run, and for one whose settings compute something else than `config`.
    """
    if target.exists():
        return
    require_own_files(source)
    before = saved_config(source / "config.json")
    if config.data.image_size is None:  # which the images decided
        config = config.updated({"image_size": before.data.image_size})
    if changed := differences(before, config):
        raise RunDirectoryError(f"{source} cannot be adopted: {'; '.join(changed)}")
    try:
        environment = json.loads((source / "environment.json").read_text(encoding="utf-8"))
        done = (source / "results.json").is_file()
        if done and environment["commit"] and not environment["uncommitted_changes"]:
            copy = target.with_name(f".{target.name}")
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy)
            copy.rename(target)
            return
    except (OSError, ValueError, KeyError) as error:
        raise RunDirectoryError(f"{source} cannot be adopted: {error}") from error
    reason = "it ran code that is not committed" if done else "it is not finished: go on with it by --resume"
    raise RunDirectoryError(f"{source} cannot be adopted: {reason}")


def source_folders(experiment: "Experiment") -> set[Path]:
    """The folders of the packages whose code a training executes: the framework's, the networks', the recipe's."""
    names = {"framework", experiment.package().__name__}  # type: ignore[attr-defined]
    names |= {experiment.module.name} if experiment.module else set()
    specs = [find_spec(name.split(".")[0]) for name in names]
    return {Path(folder) for spec in specs if spec for folder in spec.submodule_search_locations or ()}
