"""Several runs of one experiment, one after the other: seeds and variants, each in a directory of its own."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal

from framework.config import Config, differences, saved_config
from framework.config.declaration import unknown
from framework.errors import EmberfieldError, RunDirectoryError
from framework.experiment.run import Run
from framework.experiment.training import run_training
from framework.report.comparison import choice, summarize, text_table
from framework.run.console import console_logging
from framework.run.directory import make_run_directory, require_own_files, write_json, write_text
from framework.run.environment import process_rank
from framework.run.signals import Stop

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment

logger = logging.getLogger(__name__)

PLAN = "runs.json"
"""The names of the runs, written when the settings of each stand in its directory."""

Names = Sequence[str] | Literal["all"]


@dataclass(frozen=True)
class Runs:
    """Runs of one experiment in one folder."""

    path: Path
    runs: tuple[Run, ...]

    @property
    def variants(self) -> dict[str, list[Run]]:
        """The runs by variant; without variants all of them under the experiment's name."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(variant_of(run.path.name) or run.experiment.name, []).append(run)
        return found

    @property
    def results(self) -> dict[str, Any]:
        """See `framework.report.comparison.summarize`. Raises RunDirectoryError if a run is not finished."""
        return summarize({name: [run.results for run in runs] for name, runs in self.variants.items()})


def run_name(variant: str | None, seed: int) -> str:
    """The directory of a run among several."""
    return f"seed-{seed}" if variant is None else f"{variant}-seed-{seed}"


def variant_of(name: str) -> str | None:
    """The variant that a run's directory is named after, None for one that `run_name` names without."""
    return re.sub(r"-?seed-\d+$", "", name) or None


def is_begun(out: Path | str | None) -> bool:
    """Whether several runs have begun in a folder."""
    return out is not None and (Path(out) / PLAN).is_file()


def train_several(
    experiment: "Experiment",
    out: Path | str | None,
    settings: Mapping[str, Any],
    *,
    seeds: Sequence[int] | None,
    variants: Names | None,
    resume: bool,
    preset: str | None,
    files: Sequence[Path],
) -> Runs:
    """What `Experiment.train_all` says. The settings of all runs are written before the first begins."""
    if process_rank() or "seed" in settings:
        raise EmberfieldError(
            f"--seed {settings['seed']} beside several runs; name all seeds by --seeds"
            if "seed" in settings
            else "several runs take one process: start each run by torchrun of its own"
        )
    if resume and out is None:
        raise EmberfieldError("--resume needs --out, the folder of the runs to go on with")
    if wrong := [seed for seed in seeds or () if seed < 0]:
        raise EmberfieldError(f"seed {wrong[0]} is negative; --seeds takes numbers from 0 on, as 0,1,2")
    named: list[str] = list(experiment.variants) if variants == "all" else list(variants or ())
    if missing := [name for name in named if name not in experiment.variants]:
        raise EmberfieldError(unknown("variant", missing[0], experiment.variants))
    if variants == "all" and not named:
        raise EmberfieldError(f"{experiment.name} has no variants; give --seeds alone")
    folder = make_run_directory(experiment.name) if out is None else Path(out)
    asked = [
        (variant, seed) for variant in (*named,) or (None,) for seed in seeds or [experiment.defaults.training.seed]
    ]
    with console_logging(), Stop():
        planned = plan(experiment, folder, asked if seeds or variants else [], settings, resume, preset, files)
        runs = [
            run_training(
                experiment,
                folder / run_name(variant, seed),
                {**settings, "seed": seed},
                resume=True,
                preset=preset,
                variant=variant,
                files=files,
                group=folder,
            )
            for variant, seed in planned
        ]
        several = Runs(folder, tuple(runs))
        results = several.results
        write_json(folder / "results.json", results)
        logger.info("%s\n%s\n%s", text_table(results), choice(results), folder / "results.json")
    return several


def plan(
    experiment: "Experiment",
    folder: Path,
    asked: Sequence[tuple[str | None, int]],
    settings: Mapping[str, Any],
    resume: bool,
    preset: str | None,
    files: Sequence[Path],
) -> list[tuple[str | None, int]]:
    """All runs of a folder as (variant, seed): those that have begun there, then those `asked` for.

    Writes the settings of those that are new. Raises RunDirectoryError for a folder in use, or if a new run would not
    have the settings of its variant's others.
    """
    if not resume and folder.is_dir() and any(folder.iterdir()):
        raise RunDirectoryError(f"{folder} is not empty: add --resume to go on with its runs, or choose another --out")
    if folder.is_dir():
        require_own_files(folder)
    planned = list(dict.fromkeys([*_begun(folder), *asked]))
    if not planned:
        raise RunDirectoryError(f"{folder} holds no {PLAN}: begin several runs by --seeds or --variants")
    own = {
        name: value for name, value in settings.items() if name != "data" or isinstance(value, (str, Path, NoneType))
    }
    of_variant: dict[str | None, Config] = {}
    for variant, seed in planned:
        file = folder / run_name(variant, seed) / "config.json"
        if file.is_file():
            of_variant.setdefault(variant, saved_config(file))
            continue
        changes = {**(experiment.variants[variant] if variant else {}), **own, "seed": seed}
        config = experiment.settings(changes, preset=preset, files=files)
        _require_alike(of_variant.setdefault(variant, config), config, file.parent)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, config.to_json())
    write_json(folder / PLAN, {"runs": [{"variant": variant, "seed": seed} for variant, seed in planned]})
    return planned


def _begun(folder: Path) -> list[tuple[str | None, int]]:
    if not is_begun(folder):
        return []
    try:
        content = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        return [(run["variant"], int(run["seed"])) for run in content["runs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(f"{folder / PLAN} cannot be read: {error!r}") from error


def _require_alike(first: Config, new: Config, folder: Path) -> None:
    decided: dict[str, Any] = {"seed": new.training.seed}  # what a start decides is no difference
    decided |= {"lr": "find"} if new.optimization.lr == "find" else {}
    decided |= {"image_size": None} if new.data.image_size is None else {}
    if found := differences(first.updated(decided), new):
        raise RunDirectoryError(f"cannot add {folder} to runs with other settings: {'; '.join(found)}")
