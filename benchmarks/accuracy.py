"""Prints the accuracy of finished runs as a table for RESULTS.md: python -m benchmarks.accuracy RUN [RUN ...].

Every figure is read from the runs' own results.json, the commit from their environment.json where that was kept.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.tables import markdown_table

COLUMNS = (
    "arch",
    "data",
    "epochs",
    "seed",
    "validation",
    "test",
    "parameters",
    "multiply-adds",
    "training time",
    "precision",
    "commit",
)


def read_run(run: Path) -> dict[str, Any]:
    """The results of a run, with its `commit`, which is None where no environment.json was kept."""
    results: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    environment = run / "environment.json"
    commit = json.loads(environment.read_text(encoding="utf-8"))["commit"] if environment.exists() else None
    return results | {"commit": commit}


def cells(results: Mapping[str, Any]) -> tuple[str, ...]:
    """A run's line of the table: as many as `COLUMNS`, accuracies in percent, multiply-adds in millions."""
    validation = results["validation_accuracy"]
    return (
        results["arch"],
        results["data"],
        str(results["epochs"]),
        str(results["seed"]),
        "none" if validation is None else f"{100 * validation:.2f} %",
        f"{100 * results['test_accuracy']:.2f} %",
        f"{results['parameters']:,}",
        f"{results['multiply_adds'] / 1e6:.1f}M",
        f"{results['training_seconds']:.0f} s",
        results["precision"],
        (results["commit"] or "unknown")[:8],
    )


def mean_and_deviation(runs: Sequence[Mapping[str, Any]]) -> str | None:
    """The test accuracy over several runs that differ in the seed alone, as a sentence; None for any others."""
    alike = len({(run["arch"], run["data"], run["epochs"], run["parameters"]) for run in runs}) == 1
    if len(runs) < 2 or not alike:
        return None
    accuracies = [100 * run["test_accuracy"] for run in runs]
    mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
    return f"test accuracy: mean {mean:.2f} %, standard deviation {deviation:.2f} over {len(runs)} runs"


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(runs: tuple[Path, ...]) -> None:
    """Print a row for each run; for runs that differ in the seed, mean and deviation of the test accuracy."""
    found = [read_run(run) for run in runs]
    click.echo(markdown_table(COLUMNS, map(cells, found)))
    if sentence := mean_and_deviation(found):
        click.echo(f"\n{sentence}")


if __name__ == "__main__":
    main()
