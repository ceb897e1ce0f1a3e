"""Start-up, and what is around the step: python -m benchmarks.overhead --data ../cifar10.

Start-up is the median of several commands. The rest is a run of the recipe whose time is split into the step, the
making of its batch, and all else: engine, handlers, logs, checkpoints.
"""

import functools
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.command import RECIPE, data_options, train
from benchmarks.tables import markdown_table, publish, results_option
from framework.data.data_module import DataModule


def help_seconds() -> float:
    """The time of `--help`."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", RECIPE, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


@dataclass
class Split:
    """Seconds of each training step, and of making each batch, in the order of the steps."""

    step: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The same function, whose every call adds its time to `seconds`."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        result = function(*arguments, **options)
        seconds.append(time.perf_counter() - began)
        return result

    return call


class TimedBatches:
    """Batches of a training, whose making is timed."""

    def __init__(self, batches: Any, seconds: list[float]) -> None:
        self.batches, self.seconds = batches, seconds

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        """One batch a step."""
        following = timed(iter(self.batches).__next__, self.seconds)
        for _ in range(len(self.batches)):
            yield following()


@contextmanager
def timed_training() -> Iterator[Split]:
    """Trainings that are made in this context are timed, the two functions that make step and batches replaced."""
    training: Any = importlib.import_module("framework.engine.training")
    split = Split()
    make_step, train_loader = training.make_step, DataModule.train_loader

    def timed_loader(*given: Any, **named: Any) -> TimedBatches:
        return TimedBatches(train_loader(*given, **named), split.batch)

    training.make_step = lambda *given, **named: timed(make_step(*given, **named), split.step)
    DataModule.train_loader = timed_loader  # type: ignore[method-assign, assignment]
    try:
        yield split
    finally:
        training.make_step, DataModule.train_loader = make_step, train_loader  # type: ignore[method-assign]


def shares(data: Sequence[str], steps: int) -> dict[str, float]:
    """Seconds of the second epoch of a run, a checkpoint every five seconds: in all, in the step, in its data."""
    from recipes.s7_cifar import main as recipe

    with tempfile.TemporaryDirectory() as folder, timed_training() as split:
        out = Path(folder) / "run"
        options = ("--out", str(out), "--epochs", "2", "--limit-batches", str(steps), "--checkpoint-every", "5s")
        recipe(["train", *data, *options], standalone_mode=False)
        last = json.loads((out / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert len(split.step) == len(split.batch) == 2 * steps
    return {"all": last["seconds"], "step": sum(split.step[steps:]), "data": sum(split.batch[steps:])}


def start_up_table(data: Sequence[str], repeats: int) -> str:
    """Median, least and most seconds of `--help` and of a training up to its first step, over `repeats` processes."""
    helped = [help_seconds() for _ in range(repeats)]
    started = [train(data, steps=1, epochs=1).start for _ in range(repeats)]
    rows = [
        (name, f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})")
        for name, seconds in (("`--help`", helped), ("command to first step", started))
    ]
    return markdown_table((f"start-up, median of {repeats}", "seconds"), rows)


def step_table(data: Sequence[str], steps: int) -> str:
    """Where the time of a step goes."""
    found = shares(data, steps)
    around = found["all"] - found["step"] - found["data"]
    rows = [
        (name, f"{1000 * seconds / steps:.2f}", f"{100 * seconds / found['all']:.2f} %")
        for name, seconds in (("step", found["step"]), ("its batch", found["data"]), ("all around", around))
    ]
    return markdown_table((f"a step's time, {steps} steps", "milliseconds", "share"), rows)


@click.command()
@data_options
@click.option("--steps", default=200, show_default=True, help="steps of an epoch")
@click.option("--repeats", default=5, show_default=True, help="processes whose median is taken; 0 measures no start-up")
@results_option
def main(data: str, steps: int, repeats: int, results: Path) -> None:
    """Prints two tables, and writes them to overhead.md."""
    chosen = ["--data", data]
    tables = [start_up_table(chosen, repeats)] if repeats else []
    tables.append(step_table(chosen, steps))
    publish(results / "overhead.md", "Start-up, and around the step", "\n\n".join(tables))


if __name__ == "__main__":
    main()
