"""The time to 85 % of the test images, of today and of an earlier commit: python -m benchmarks.clock --data ../cifar10.

Pairs of whole trainings of the same seed, one after the other on this machine, the earlier one first in every other
pair. On two cores of a machine that does nothing else a pair takes about five minutes.
"""

import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.command import RECIPE
from benchmarks.tables import markdown_table, publish, results_option
from framework.run.environment import processor_name

ROOT = Path(__file__).resolve().parents[1]
BEFORE = "edbacf6"
"""The commit to compare with, whose options are those of CLOCK."""

CLOCK = ("--preset", "clock", "--holdout", "0")
SPEEDRUN = ("--preset", "speedrun", "--val-size", "0")
PACKAGES = ("architectures", "framework", "recipes")


def check_out(commit: str, tree: Path) -> None:
    """Writes the packages of a commit into a folder. Raises click.ClickException if this clone lacks it."""
    done = subprocess.run(["git", "-C", str(ROOT), "archive", commit, *PACKAGES], capture_output=True, check=False)
    if done.returncode:
        raise click.ClickException(f"this clone has no commit {commit}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(tree, filter="data")


def trained(tree: Path, options: Sequence[str], out: Path) -> dict[str, Any]:
    """The results of a training by the recipe of a source tree. Raises RuntimeError with what a failing one printed."""
    command = [sys.executable, "-m", RECIPE, "train", *options, "--out", str(out)]
    done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} in {tree} failed:\n{done.stdout}")
    results: dict[str, Any] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return results


def pairs(data: str, count: int, further: Sequence[str]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The results before and today, of the seeds 0 to `count` - 1; the first seconds of a machine are no one's."""
    found = []
    with tempfile.TemporaryDirectory(prefix="clock-") as scratch:
        check_out(BEFORE, tree := Path(scratch, "before"))
        for seed in range(count):
            runs = {"before": (tree, CLOCK), "today": (ROOT, SPEEDRUN)}
            results = {}
            for name in sorted(runs, reverse=bool(seed % 2)):
                source, preset = runs[name]
                option = "--data" if source == ROOT or Path(data).exists() else "--dataset"  # as it was called before
                options = (option, data, *preset, "--seed", str(seed), *further)
                results[name] = trained(source, options, Path(scratch, f"{name}-{seed}"))
            found.append((results["before"], results["today"]))
    return found


def report(found: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """A table of the pairs, then the ratio of the median times and the mean accuracies."""
    rows = [
        (seed, *(text for each in pair for text in (f"{each['training_seconds']:.1f} s", _percent(each))))
        for seed, pair in enumerate(found)
    ]
    before, today = (statistics.median(pair[side]["training_seconds"] for pair in found) for side in (0, 1))
    accuracies = [statistics.mean(pair[side]["test_accuracy"] for pair in found) for side in (0, 1)]
    return "\n\n".join(
        (
            markdown_table(("seed", f"{BEFORE}: time", "test", "today: time", "test"), rows),
            f"Median time today: {today / before:.3f} of that of {BEFORE}. Mean test accuracy: "
            f"{100 * accuracies[0]:.2f} % before, {100 * accuracies[1]:.2f} % today. Processor: {processor_name()}.",
        )
    )


def _percent(results: dict[str, Any]) -> str:
    return f"{100 * results['test_accuracy']:.2f} %"


@click.command()
@click.option("--data", required=True, help="the images, by name or by path, as for train")
@click.option("--pairs", "count", type=click.IntRange(1), default=3, show_default=True, help="how many seeds")
@click.option("--limit-batches", type=click.IntRange(1), help="steps of an epoch: a rehearsal")
@results_option
def main(data: str, count: int, limit_batches: int | None, results: Path) -> None:
    """Prints the table, and writes it to clock.md."""
    further = ("--epochs", "1", "--limit-batches", str(limit_batches)) if limit_batches else ()
    images = str(Path(data).resolve()) if Path(data).exists() else data
    publish(results / "clock.md", "Time to 85 %", report(pairs(images, count, further)))


if __name__ == "__main__":
    main()
