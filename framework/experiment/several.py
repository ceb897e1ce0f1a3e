"""Several runs of one experiment: with several seeds, in several variants, or both."""

import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from framework.config import Config, differences, saved_config
from framework.config.declaration import unknown
from framework.errors import EmberfieldError, RunDirectoryError, StoppedError
from framework.experiment.run import Run
from framework.experiment.side_by_side import train_side_by_side
from framework.report.comparison import HEADER, Spread, Variant, chosen, chosen_line
from framework.run.console import console_logging
from framework.run.directory import RunDirectory, finished, make_run_directory, write_json, write_text
from framework.run.given_path import given_path

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment

logger = logging.getLogger(__name__)

SETTINGS, RESULTS = "settings.json", "results.json"
"""What a folder of runs holds beside them: the settings that they share, and the figures by variant."""


def train_all(experiment: "Experiment", out: Path | str | None = None, **given: Any) -> list[Run]:
    """Trains as `train_runs` does, and compares the runs in a report."""
    from framework.experiment.comparing import compare

    folder, every = train_runs(experiment, out, **given)
    with console_logging():
        for file in compare(experiment, every, folder / "report"):
            logger.info("%s", file)
    return every


def train_runs(
    experiment: "Experiment",
    out: Path | str | None = None,
    *,
    seeds: str | Sequence[int] | None = None,
    variants: str | Sequence[str] | None = None,
    resume: bool = False,
    side_by_side: int = 1,
    preset: str | None = None,
    files: Sequence[Path] = (),
    **settings: Any,
) -> tuple[Path, list[Run]]:
    """Trains OUT/VARIANT-seed-N for each of the `variants` and `seeds`, and sums them up; gives OUT and the runs.

    Both are sequences, or texts like '0,1,2'; 'all' are all variants. Without variants a run is OUT/seed-N. They are
    trained one after the other, or so many `side_by_side` in processes of their own. With `resume`, finished runs are
    left as they are, and others go on. The settings are those of `Experiment.train`.
    Raises EmberfieldError for a wrong seed or variant, RunDirectoryError for a folder that is in use, or, on a
    resume, for other settings, and as `Experiment.train` and `train_side_by_side` do.
    """
    require_several(settings, seeds=seeds, variants=variants, resume=resume, out=out, side_by_side=side_by_side)
    variant = settings.pop("variant", None)
    named = named_variants([variant] if variant and variants is None else variants, experiment.variants)
    shared = shared_settings(experiment, settings, preset, files)
    numbers = [shared.training.seed] if seeds is None else chosen_seeds(seeds)
    for number in numbers:
        shared.updated({"seed": number})
    folder = make_run_directory(experiment.name) if out is None else given_path(out, "out")
    open_folder(folder, shared, resume=resume)
    planned = {
        folder / (f"seed-{number}" if name is None else f"{name}-seed-{number}"): (name, number)
        for name in named
        for number in numbers
    }
    trained: dict[str, list[Run]] = {}
    with console_logging(), saying_how_to_go_on(folder, repeated=resume):
        if side_by_side > 1:
            configs = {
                path: experiment.settings(
                    {**experiment.variants.get(name or "", {}), **settings, "seed": number}, preset=preset, files=files
                )
                for path, (name, number) in planned.items()
            }
            _train_unfinished(experiment, configs, side_by_side)
        for path, (name, number) in planned.items():
            given: dict[str, Any] = {**settings, "seed": number, "resume": resume or side_by_side > 1}
            run = experiment.train(path, preset=preset, variant=name, files=files, **given)
            run = dataclasses.replace(run, arch=run.config.network.arch)  # as the user named it
            trained.setdefault(name or experiment.name, []).append(run)
        sum_up(folder, [as_variant(name, runs) for name, runs in trained.items()])
    return folder, [run for runs in trained.values() for run in runs]


def require_several(
    settings: Mapping[str, Any],
    *,
    seeds: object,
    variants: object,
    resume: bool,
    out: Path | str | None,
    side_by_side: int,
) -> None:
    """Raises EmberfieldError for what cannot stand together, or not where it is."""
    for one, many, asked in (("seed", "seeds", seeds), ("variant", "variants", variants)):
        if asked is not None and settings.get(one) is not None:
            raise EmberfieldError(f"--{one} and --{many} cannot stand together: leave one of them out")
    require_one_process(resume=resume, out=out)
    if side_by_side > 1 and in_memory(settings):
        raise EmberfieldError("images in memory cannot be trained on side by side: give data by name or path")


def _train_unfinished(experiment: "Experiment", configs: Mapping[Path, Config], at_once: int) -> None:
    unfinished = {
        path: config for path, config in configs.items() if not finished(RunDirectory(path), config.training.epochs)
    }
    train_side_by_side(experiment.launcher, unfinished, at_once)


def in_memory(settings: Mapping[str, Any]) -> bool:
    """Whether the 'data' of these settings are images."""
    return not isinstance(settings.get("data"), str | Path | NoneType)


def shared_settings(
    experiment: "Experiment", settings: Mapping[str, Any], preset: str | None, files: Sequence[Path]
) -> Config:
    """The configuration that several runs share; raises as `Experiment.settings` does."""
    changes = {name: value for name, value in settings.items() if name != "data" or not in_memory(settings)}
    return experiment.settings(changes, preset=preset, files=files)


def require_one_process(*, resume: bool, out: Path | str | None) -> None:
    """Raises EmberfieldError under torchrun, and for a resume of nothing that is named."""
    if int(os.environ.get("WORLD_SIZE") or 1) > 1:
        raise EmberfieldError("several runs are for one process: under torchrun start each by --seed and --variant")
    if resume and out is None:
        raise EmberfieldError("--resume needs --out, the folder of the runs to go on with")


@contextmanager
def saying_how_to_go_on(folder: Path, *, repeated: bool) -> Iterator[None]:
    """Lets a StoppedError say how to go on with all runs in a folder; `repeated` if the user resumes them already."""
    try:
        yield
    except StoppedError as stopped:
        again = "repeat this" if repeated else f"repeat this with --resume and --out {folder}"
        raise StoppedError(f"{stopped}; to go on with all runs, {again}") from None


def chosen_seeds(seeds: str | Sequence[int]) -> list[int]:
    """Seeds from a sequence, or a text like '0,1,2'. Raises EmberfieldError for others, none, or one twice."""
    values = seeds.split(",") if isinstance(seeds, str) else seeds
    try:
        numbers = [int(value) for value in values]
    except (ValueError, TypeError):
        numbers = []
    if not numbers or len(set(numbers)) < len(numbers):
        raise EmberfieldError(f"--seeds is {seeds!r}; it takes different whole numbers, as in 0,1,2")
    return numbers


def named_variants(variants: str | Sequence[str] | None, valid: Mapping[str, Any]) -> Sequence[str | None]:
    """Variants from a sequence, or a text: 'all', or names like 'a,b'; None alone stands for no variant."""
    if variants is None:
        return [None]
    names = list(valid) if variants == "all" else variants.split(",") if isinstance(variants, str) else list(variants)
    for name in names:
        if name not in valid:
            raise EmberfieldError(unknown("variant", str(name), ["all", *valid] if valid else ()))
    if not names or len(set(names)) < len(names):
        raise EmberfieldError(f"--variants is {variants!r}; it takes different names of {', '.join(valid) or 'none'}")
    return names


def open_folder(folder: Path, shared: Config, *, resume: bool) -> None:
    """Makes a folder of runs and keeps what they share in it, or sees on a resume that this is the same.

    Raises RunDirectoryError if it is not, if the folder is used otherwise, or cannot be written to.
    """
    kept = folder / SETTINGS
    try:
        used = folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir())
        if used and not kept.is_file():
            raise RunDirectoryError(f"{folder} is not empty and holds no runs of --seeds or --variants: choose another")
        if used and not resume:
            raise RunDirectoryError(
                f"{folder} is not empty: add --resume to go on with its runs, or choose another --out"
            )
        if not used:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(kept, shared.to_json())
    except OSError as error:
        raise RunDirectoryError(f"cannot write to the folder {folder}: {error.strerror}") from error
    before = saved_config(kept)
    if changed := differences(before, shared.updated({"seed": before.training.seed})):
        raise RunDirectoryError(
            f"cannot resume {folder}: {'; '.join(changed)}; repeat the options, or choose another --out"
        )


def as_variant(name: str, runs: Sequence[Run]) -> Variant:
    """Finished runs by their figures. Raises RunDirectoryError for a run that is none, or not finished."""
    for run in runs:
        if not is_finished(run):
            raise RunDirectoryError(f"{run.path} is not finished: go on with it by --resume")
    return Variant(name, [run.results for run in runs], [run.history for run in runs])


def is_finished(run: Run) -> bool:
    """Whether a run has its results."""
    return finished(RunDirectory(run.path), run.config.training.epochs) is not None


def log_table(rows: Sequence[Sequence[str]]) -> None:
    """Logs rows of cells, the columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        logger.info("%s", "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def sum_up(folder: Path, variants: Sequence[Variant]) -> None:
    """Logs the table of the variants, and writes it as results.json."""

    def spread(found: Spread | None) -> dict[str, float | None] | None:
        return None if found is None else dataclasses.asdict(found)

    best = chosen(variants)
    log_table([HEADER, *(variant.row() for variant in variants)])
    if line := chosen_line(variants):
        logger.info("%s", line)
    figures = ("validation_accuracy", "test_accuracy", "test_loss", "training_seconds")
    content = {
        "chosen_on_validation": best and best.name,
        "chosen_test_accuracy": best and spread(best.spread("test_accuracy")),
        "variants": {
            variant.name: {
                "seeds": [result["seed"] for result in variant.results],
                "parameters": variant.results[0]["parameters"],
                "exact": all(result["exact"] for result in variant.results),
                **{figure: spread(variant.spread(figure)) for figure in figures},
            }
            for variant in variants
        },
    }
    write_json(folder / RESULTS, content)
