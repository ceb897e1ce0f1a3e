"""A report that puts several runs beside each other."""

import itertools
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from framework.config.config import walk
from framework.errors import RunDirectoryError
from framework.experiment.run import Run
from framework.experiment.several import as_variant, is_finished
from framework.report.comparison import HEADER, Variant, chosen_line, save_compared_curves
from framework.report.gallery import save_mistakes
from framework.report.markdown import escape, picture, table
from framework.report.page import html_page
from framework.run.directory import RunDirectory, write_text
from framework.run.given_path import given_path

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment

    Named = Run | Path | str


def compare(
    experiment: "Experiment", runs: "Named | Sequence[Named]", out: Path | str | None = None, *, mistakes: int = 20
) -> tuple[Path, Path]:
    """Writes report.md and report.html of finished runs into `out`: differences, figures, curves, and mistakes.

    A folder of runs stands for all of them. Runs VARIANT-seed-N of one folder are a variant; any other run stands for
    itself. A variant's gallery, of so many `mistakes`, is of its run with the best validation accuracy. Without `out`
    the files are in FOLDER/report for one folder of runs, else in comparison/.

    Raises RunDirectoryError for a folder that holds no finished run, for a named one that is not finished, and as
    `Experiment.report`. What is not finished in a folder of runs, as a trial that failed, is left out and said.
    """
    given = [runs] if isinstance(runs, Run | Path | str) else list(runs)
    found, left_out = zip(*(opened(experiment, each) for each in given), strict=True)
    groups = by_variant(list(itertools.chain(*found)))
    variants = [as_variant(name, group) for name, group in groups.items()]
    one = given[0] if len(given) == 1 and not isinstance(given[0], Run) else None
    several = one is not None and not RunDirectory(Path(one)).config.is_file()
    beside = Path(one or "") / "report" if several else Path("comparison")
    folder = beside if out is None else given_path(out, "out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts = [
            f"# {escape(experiment.name)}: {sum(map(len, groups.values()))} runs beside each other",
            *(f"> **{escape(said)}**" for said in warnings(variants, groups) + list(itertools.chain(*left_out))),
            "## Figures",
            "Mean ± standard deviation (n - 1) over the seeds; the time is that of one training.",
            table(HEADER, [variant.row() for variant in variants], right=(2, 3, 4, 5)),
            *([escape(said[0].upper() + said[1:] + ".")] if (said := chosen_line(variants)) else []),
            "## Settings that differ",
            differing(groups),
        ]
        for metric in ("loss", "accuracy"):
            save_compared_curves(folder / f"{metric}.png", variants, metric)
            parts += [f"## {metric.capitalize()}", picture(f"{metric}.png", f"{metric} of all runs over the epochs")]
        parts.append("## Mistakes")
        for number, (name, group) in enumerate(groups.items(), 1):
            best = max(group, key=lambda run: run.results["validation_accuracy"] or 0.0)
            file = f"mistakes-{number}.png"
            reported = Run(best.path, experiment, best.data, best.arch).reported  # of its own: the images are let go
            shown = save_mistakes(
                folder / file, reported.data.data.test_images, reported.predictions, most=mistakes, columns=5
            )
            parts += [f"### {escape(name)}", escape(f"The {shown} most confident mistakes of {best.path.name}:")]
            parts += [picture(file, f"misclassified test images of {name}")] if shown else []
        text = "\n\n".join(parts) + "\n"
        markdown, page = folder / "report.md", folder / "report.html"
        write_text(markdown, text)
        write_text(page, html_page(text, folder))
    except OSError as error:
        raise RunDirectoryError(f"cannot write the comparison into {folder}: {error}") from error
    return markdown, page


def opened(experiment: "Experiment", named: "Named") -> tuple[list[Run], list[str]]:
    """A run, or the finished ones in a folder in the order of their names and seeds, and what to say of the others.

    Raises RunDirectoryError if there is none.
    """
    if isinstance(named, Run):
        return [named], []
    folder = given_path(named, "run")
    if RunDirectory(folder).config.is_file():
        return [experiment.open_run(folder)], []
    runs = [experiment.open_run(path.parent) for path in sorted(folder.glob("*/config.json"), key=_order)]
    if not runs:
        raise RunDirectoryError(f"{folder} holds no run and no folder of one")
    done = [run for run in runs if is_finished(run)]
    others = ", ".join(run.path.name for run in runs if run not in done)
    if not done:
        raise RunDirectoryError(f"no run in {folder} is finished: {others}")
    said = [f"Runs that are not finished are left out: {others} of {folder}."] if others else []
    for line in said:
        logger.warning("%s", line)
    return done, said


def by_variant(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs by the names of their variants; equal names of several folders are told apart by the folder."""
    keys = {run.path: (run.path.parent, _parts(run.path)[0]) for run in runs}
    names = [name for _, name in dict.fromkeys(keys.values())]
    groups: dict[str, list[Run]] = {}
    for run in {run.path: run for run in runs}.values():
        parent, name = keys[run.path]
        said = name or run.experiment.name
        groups.setdefault(said if names.count(name) == 1 else str(parent / said), []).append(run)
    return groups


def differing(groups: dict[str, list[Run]]) -> str:
    """A table of the settings that are not the same in all runs, but for the seed, by variant."""
    values: dict[str, dict[str, list[str]]] = {}
    for name, runs in groups.items():
        for run in runs:
            for _, setting, value in walk(run.config):
                said = values.setdefault(setting, {}).setdefault(name, [])
                text = ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
                said += [text] if text not in said else []
    rows = [
        (setting, *("; ".join(found[name]) for name in groups))
        for setting, found in values.items()
        if setting != "seed" and len({value for said in found.values() for value in said}) > 1
    ]
    return table(("setting", *groups), rows) if rows else "None but the seed."


def warnings(variants: Sequence[Variant], groups: dict[str, list[Run]]) -> list[str]:
    """What a reader has to know before believing the figures."""
    results = [result for variant in variants for result in variant.results]
    said = []
    if len(data := {result["data"] for result in results}) > 1:
        said.append(f"The runs are of different data ({', '.join(sorted(data))}): their figures cannot be compared.")
    if any(not result["exact"] for result in results):
        said.append("Some runs may differ from ones that were left alone (exact: no).")
    if any(run.config.training.limit_batches for runs in groups.values() for run in runs):
        said.append("Some are dry runs: their epochs and tests were cut off after a few batches (limit_batches).")
    return said


def _order(config: Path) -> tuple[str, int]:
    return _parts(config.parent)


def _parts(path: Path) -> tuple[str, int]:
    """The variant and the seed in the name of a run's folder; any other name is a variant."""
    match = re.fullmatch(r"(?:(.+)-)?seed-(\d+)", path.resolve().name)
    return (match[1] or "", int(match[2])) if match else (path.resolve().name, 0)
