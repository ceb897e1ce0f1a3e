"""Training speed side by side: python -m benchmarks.throughput --data ../cifar10 [--device cuda].

Every baseline trains the same network with the same batch, optimizer, loss and images, in a process of its own, in
several rounds that take turns; a figure is the median of the rounds, and a ratio is taken within a round. `bare` is the
limit: the step alone. The peers run once with their defaults (float32, no worker processes) and once tuned: our
precision and memory format, and the worker count that a first round found best for them.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.baselines import BASELINES
from benchmarks.command import data_options, require_lightning
from benchmarks.tables import markdown_table, publish, results_option
from framework.run.environment import describe_environment, version_of

PEERS = ("ignite_stock", "lightning_stock", "loop")
WORKERS = (0, 2, 4)
"""What is tried for the tuned peers."""

SEARCH = ("--warmup", "5", "--steps", "20")
"""How long each of them is tried."""

HEADER = ("baseline", "settings", "augment", "workers", "images/s", "range", "of bare", "peak MiB")


class Case(NamedTuple):
    """What is measured: settings 'default' or 'tuned'; augment 'none' or 'sheet', the recipe's transforms."""

    baseline: str
    settings: str
    augment: str


BARE = Case("bare", "tuned", "none")

Measure = Callable[[Case, int, Sequence[str]], Mapping[str, Any]]
"""Measures a case with some workers and further options; gives what `benchmarks.baselines` prints."""


def cases(baselines: Sequence[str]) -> list[Case]:
    """All that is measured, in the order of a round: `bare` and the named ones."""
    ours = [Case("emberfield", "tuned", augment) for augment in ("none", "sheet")]
    peers = [
        Case(peer, settings, augment)
        for peer in PEERS
        for settings in ("default", "tuned")
        for augment in ("none", "sheet")
    ]
    return [BARE, *(case for case in ours + peers if case.baseline in baselines)]


def measure_in_process(common: Sequence[str]) -> Measure:
    """Measures each case in its own process, with the `common` options; click.ClickException where that fails."""

    def measure(case: Case, workers: int, further: Sequence[str]) -> Mapping[str, Any]:
        command = [sys.executable, "-m", "benchmarks.baselines", case.baseline, *common, "--workers", str(workers)]
        command += ["--tuned"] * (case.settings == "tuned") + ["--augment"] * (case.augment == "sheet")
        done = subprocess.run([*command, *further], capture_output=True, text=True, check=False)
        if done.returncode:
            raise click.ClickException(f"{case.baseline} failed:\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return measure


def best_workers(case: Case, measure: Measure) -> int:
    """The number of `WORKERS` that is fastest for a tuned peer; 0 for others."""
    if case.baseline not in PEERS or case.settings != "tuned":
        return 0
    rates = {workers: measure(case, workers, SEARCH)["images_per_second"] for workers in WORKERS}
    best = max(rates, key=lambda workers: rates[workers])
    click.echo(f"{case.baseline} with {case.augment}: {best} workers are best of {rates}", err=True)
    return best


def compare(chosen: Sequence[Case], measure: Measure, rounds: int) -> list[dict[str, Any]]:
    """Measures all cases, `bare` among them, in each of the rounds; an object for each, as it is kept in JSON."""
    workers = {case: best_workers(case, measure) for case in chosen}
    found: dict[Case, list[Mapping[str, Any]]] = {case: [] for case in chosen}
    for number in range(rounds):
        for case in chosen:
            found[case].append(measure(case, workers[case], ()))
        click.echo(f"round {number + 1} of {rounds}", err=True)
    limit = [one["images_per_second"] for one in found[BARE]]
    objects = []
    for case, measured in found.items():
        rates = [one["images_per_second"] for one in measured]
        objects.append(
            {
                **case._asdict(),
                "workers": workers[case],
                "images_per_second": statistics.median(rates),
                "slowest": min(rates),
                "fastest": max(rates),
                "ratio_to_bare": statistics.median(rate / bare for rate, bare in zip(rates, limit, strict=True)),
                "peak_bytes": round(statistics.median(one["peak_bytes"] for one in measured)),
            }
        )
    return objects


def row(found: Mapping[str, Any]) -> tuple[object, ...]:
    """A line of the table, as `HEADER` has it."""
    return (
        *(found[name] for name in ("baseline", "settings", "augment", "workers")),
        f"{found['images_per_second']:,.0f}",
        f"{found['slowest']:,.0f} to {found['fastest']:,.0f}",
        f"{found['ratio_to_bare']:.3f}",
        f"{found['peak_bytes'] / 2**20:,.0f}",
    )


def machine() -> str:
    """What it runs on, and with which libraries."""
    found: dict[str, Any] = describe_environment()
    libraries = ", ".join(f"{name} {version_of(name)}" for name in ("torch", "pytorch-ignite", "lightning"))
    gpus = "".join(f", {name}" for name in found["cuda_devices"])
    return f"{found['cores']} cores of {found['cpu']}{gpus}; Python {found['python']}, {libraries}"


@click.command()
@data_options
@click.option("--device", default="cpu", show_default=True)
@click.option("--baseline", "baselines", multiple=True, type=click.Choice(BASELINES), help="what is compared to bare")
@click.option("--rounds", default=5, show_default=True)
@click.option("--steps", default=150, show_default=True, help="measured steps of a round")
@click.option("--warmup", default=30, show_default=True, help="steps before them")
@click.option("--batch-size", default=64, show_default=True)
@click.option("--precision", default="auto", show_default=True, help="of what is tuned")
@results_option
def main(
    data: str,
    device: str,
    baselines: tuple[str, ...],
    rounds: int,
    steps: int,
    warmup: int,
    batch_size: int,
    precision: str,
    results: Path,
) -> None:
    """Measures all baselines or those that are named; prints a table.

    Writes it to RESULTS.md beside the folder of results, and to throughput-DEVICE.json in it.
    """
    common = ["--data", data, "--device", device, "--batch-size", str(batch_size)]
    common += ["--steps", str(steps), "--warmup", str(warmup)]
    chosen = cases(baselines or BASELINES)
    require_lightning({case.baseline for case in chosen}, "--baseline")
    if precision == "auto":
        precision = measure_in_process(common)(BARE, 0, ())["precision"]
    found = compare(chosen, measure_in_process([*common, "--precision", precision]), rounds)
    kind = device.split(":")[0]
    results.mkdir(parents=True, exist_ok=True)
    (results / f"throughput-{kind}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    how = f"{precision}, batch {batch_size}, median of {rounds} rounds of {steps} steps after {warmup}"
    table = markdown_table(HEADER, map(row, found))
    publish(results.parent / "RESULTS.md", f"Throughput on {kind}", f"{machine()}; {how}.\n\n{table}")


if __name__ == "__main__":
    main()
