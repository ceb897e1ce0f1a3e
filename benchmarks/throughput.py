"""Training speed side by side: python -m benchmarks.throughput [--recipe s8_resnet] [--precision float32].

Every baseline trains a recipe's network with the same images, transforms, batch, optimizer, loss, precision, threads
and workers, each in a process of its own. All of them are started and warmed up; then one after the other takes a turn
while the others wait, in several rounds. A figure is the median of the rounds, a ratio is taken within a round. `bare`
is the limit: the step alone. All but it and Emberfield run in both memory formats.
"""

import contextlib
import importlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import click

from benchmarks.baselines import BASELINES
from benchmarks.baselines.__main__ import RECIPES
from benchmarks.command import require_installed
from benchmarks.tables import markdown_table, publish, results_option
from framework.run.environment import describe_environment, version_of

OURS = "emberfield"
COMPARED = (OURS, "fastai_learner", "timm_loader")
SHEETS = tuple(recipe for recipe in RECIPES if recipe != "s7_cifar")
HEADER = ("recipe", "precision", "batch", "baseline", "memory format", "images/s", "range", "ours by it", "peak MiB")

Rates = dict["Case", list[Mapping[str, Any]]]
"""What each case has printed after each of its turns."""


class Case(NamedTuple):
    """A baseline in a memory format."""

    baseline: str
    channels_last: bool


def cases(baselines: Sequence[str]) -> list[Case]:
    """All that is measured, in the order of a round: ours first."""
    formats = {OURS: (True,), "bare": (True,)}
    return [Case(name, form) for name in dict.fromkeys((OURS, *baselines)) for form in formats.get(name, (False, True))]


class Process:
    """A baseline in its own process; raises click.ClickException with what it printed if it fails."""

    def __init__(self, case: Case, options: Sequence[str], log: IO[str]) -> None:
        command = [sys.executable, "-m", "benchmarks.baselines", case.baseline, *options]
        command += ["--channels-last"] * case.channels_last
        self.case, self.log = case, log
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
        )

    def read(self) -> Mapping[str, Any]:
        """What it prints after the warm-up, and after each turn."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise click.ClickException(f"{self.case.baseline} ended with {self.process.wait()}:\n{self.log.read()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def turn(self) -> Mapping[str, Any]:
        """Lets it take a turn."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        return self.read()

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def started(chosen: Sequence[Case], options: Sequence[str]) -> Iterator[list[Process]]:
    """A process for each case, warmed up."""
    with contextlib.ExitStack() as stack:
        processes = []
        for case in chosen:
            log = stack.enter_context(tempfile.TemporaryFile("w+"))
            processes.append(Process(case, options, log))
            stack.callback(processes[-1].close)
        for process in processes:
            process.read()
        yield processes


def measure(chosen: Sequence[Case], options: Sequence[str], rounds: int) -> Rates:
    """Has all cases take turns, as many as there are rounds."""
    found: Rates = {case: [] for case in chosen}
    with started(chosen, options) as processes:
        for _, process in itertools.product(range(rounds), processes):
            found[process.case].append(process.turn())
    return found


def summary(found: Rates) -> list[dict[str, Any]]:
    """An object for each case, as it is kept in JSON; `ratio` is the median over the rounds of ours by it."""
    rates = {case: [turn["images_per_second"] for turn in turns] for case, turns in found.items()}
    ours = rates[Case(OURS, True)]
    return [
        {
            **case._asdict(),
            "images_per_second": statistics.median(own),
            "slowest": min(own),
            "fastest": max(own),
            "ratio": statistics.median(mine / other for mine, other in zip(ours, own, strict=True)),
            "peak_bytes": max(turn["peak_bytes"] for turn in found[case]),
            "threads": found[case][0]["threads"],
        }
        for case, own in rates.items()
    ]


def row(found: Mapping[str, Any]) -> tuple[object, ...]:
    """A line of the table, as `HEADER` has it."""
    return (
        *(found[name] for name in ("recipe", "precision", "batch_size", "baseline")),
        "channels_last" if found["channels_last"] else "contiguous",
        f"{found['images_per_second']:,.0f}",
        f"{found['slowest']:,.0f} to {found['fastest']:,.0f}",
        f"{found['ratio']:.3f}",
        f"{found['peak_bytes'] / 2**20:,.0f}",
    )


def machine() -> str:
    """What it runs on, and with which libraries."""
    found: dict[str, Any] = describe_environment()
    names = ("torch", "pytorch-ignite", "lightning", "fastai", "timm")
    libraries = ", ".join(f"{name} {version}" for name in names if (version := version_of(name)))
    gpus = "".join(f", {name}" for name in found["cuda_devices"])
    return f"{found['cores']} cores of {found['cpu']}{gpus}; Python {found['python']}, {libraries}"


@click.command()
@click.option("--recipe", "recipes", multiple=True, type=click.Choice(RECIPES), default=SHEETS, show_default=True)
@click.option("--precision", "precisions", multiple=True, default=("float32", "bfloat16"), show_default=True)
@click.option("--baseline", "baselines", multiple=True, type=click.Choice(BASELINES), default=COMPARED)
@click.option("--data", multiple=True, metavar="RECIPE=DATA", help="images of a recipe [default: made up]")
@click.option("--device", default="cpu", show_default=True)
@click.option("--batch-size", type=int, help="[default: the recipe's]")
@click.option("--workers", default=0, show_default=True, help="processes that load images")
@click.option("--rounds", default=5, show_default=True)
@click.option("--steps", default=8, show_default=True, help="of a turn, or a multiple of it")
@click.option("--seconds", default=2.0, show_default=True, help="that a turn takes at the least")
@click.option("--warmup", default=2, show_default=True, help="steps before the first turn")
@results_option
def main(
    recipes: Sequence[str],
    precisions: Sequence[str],
    baselines: Sequence[str],
    data: Sequence[str],
    rounds: int,
    results: Path,
    **given: Any,
) -> None:
    """Measures all recipes in all precisions; prints a table.

    Writes it to RESULTS.md beside the folder of results, and to throughput-DEVICE.json in it.
    """
    require_installed(baselines, "--baseline")
    images, found = dict(pair.split("=", 1) for pair in data), []
    for recipe, precision in itertools.product(recipes, precisions):
        chosen = {"recipe": recipe, "precision": precision, "data": images.get(recipe), **given}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items() if value is not None]
        batch = given["batch_size"] or importlib.import_module(f"recipes.{recipe}").DEFAULTS.training.batch_size
        kept = {"recipe": recipe, "precision": precision, "batch_size": batch}
        found += [kept | one for one in summary(measure(cases(baselines), options, rounds))]
        click.echo(
            f"{recipe} in {precision}: {min(one['ratio'] for one in found[-len(cases(baselines)) :]):.3f}", err=True
        )
    kind = given["device"].split(":")[0]
    (results / f"throughput-{kind}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    how = f"{found[0]['threads']} threads, {given['workers']} workers; medians of {rounds} rounds"
    table = markdown_table(HEADER, map(row, found))
    publish(results.parent / "RESULTS.md", f"Throughput on {kind}", f"{machine()}; {how}.\n\n{table}")


if __name__ == "__main__":
    main()
