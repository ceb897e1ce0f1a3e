"""Prints the accuracy of finished runs as a table for RESULTS.md: python -m benchmarks.accuracy RUN [RUN ...].

Every figure is read from the runs' own results.json, the commit from their environment.json where that was kept.
"""

import json
import statistics
from pathlib import Path
from typing import Any

import click

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


def row(run: Path) -> tuple[str, dict[str, Any]]:
    """A run as a line of the table, and its results."""
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    environment = run / "environment.json"
    commit = json.loads(environment.read_text(encoding="utf-8"))["commit"] if environment.exists() else None
    validation = results["validation_accuracy"]
    cells = (
        results["arch"],
        results["data"],
        results["epochs"],
        results["seed"],
        "none" if validation is None else f"{100 * validation:.2f} %",
        f"{100 * results['test_accuracy']:.2f} %",
        f"{results['parameters']:,}",
        f"{results['multiply_adds'] / 1e6:.1f}M",
        f"{results['training_seconds']:.0f} s",
        results["precision"],
        (commit or "unknown")[:8],
    )
    return "| " + " | ".join(map(str, cells)) + " |", results


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(runs: tuple[Path, ...]) -> None:
    """Print a row for each run; for runs that differ in the seed, mean and deviation of the test accuracy."""
    rows = [row(run) for run in runs]
    click.echo(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for line, _ in rows:
        click.echo(line)
    accuracies = [100 * results["test_accuracy"] for _, results in rows]
    alike = len({(r["arch"], r["data"], r["epochs"], r["parameters"]) for _, r in rows}) == 1
    if len(accuracies) > 1 and alike:
        mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
        click.echo(
            f"\ntest accuracy: mean {mean:.2f} %, standard deviation {deviation:.2f} over {len(accuracies)} runs"
        )


if __name__ == "__main__":
    main()
