"""Start-up, and what is around the step: python -m benchmarks.overhead --data ../cifar10.

Start-up is the median of several commands. The rest is a run of the recipe whose time is split into the step, the
making of its batch, and all else: engine, handlers, logs, checkpoints.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.command import train


def help_seconds() -> float:
    """The time of `--help`."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "recipes.s7_cifar", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def shares(data: Path, steps: int) -> dict[str, float]:
    """Seconds of the second epoch of a run, a checkpoint every five seconds: in all, in the step, in its data."""
    import framework.engine.training
    from recipes.s7_cifar import main as recipe

    spent = {"step": 0.0, "data": 0.0}
    make_step, stream = framework.engine.training.make_step, framework.engine.training.training_stream

    def timed_step(*given: Any, **named: Any) -> Any:
        step = make_step(*given, **named)

        def timed(*batch: Any) -> Any:
            began = time.perf_counter()
            outcome = step(*batch)
            spent["step"] += time.perf_counter() - began
            return outcome

        return timed

    class TimedStream:
        def __init__(self, *given: Any) -> None:
            self.stream = stream(*given)

        def __len__(self) -> int:
            return len(self.stream)

        def __iter__(self) -> Iterator[Any]:
            batches = iter(self.stream)
            for number in range(len(self.stream)):
                if number == steps:  # the second epoch begins
                    spent.update(step=0.0, data=0.0)
                began = time.perf_counter()
                batch = next(batches)
                spent["data"] += time.perf_counter() - began
                yield batch

    framework.engine.training.make_step = timed_step
    framework.engine.training.training_stream = TimedStream  # type: ignore[assignment,misc]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        recipe(
            [
                *("train", "--data", str(data), "--out", str(out), "--epochs", "2", "--limit-batches", str(steps)),
                *("--checkpoint-every", "5s"),
            ],
            standalone_mode=False,
        )
        last = json.loads((out / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return {"all": last["seconds"], **spent}


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="CIFAR-10, as for train")
@click.option("--steps", default=200, show_default=True, help="steps of an epoch")
@click.option("--repeats", default=5, show_default=True, help="commands whose median is taken")
def main(data: Path, steps: int, repeats: int) -> None:
    """Prints two tables, and writes them to results/overhead.md."""
    helped = [help_seconds() for _ in range(repeats)]
    started = [train(["--data", str(data)], steps=1, epochs=1).start for _ in range(repeats)]
    found = shares(data, steps)
    around = found["all"] - found["step"] - found["data"]
    lines = [f"| start-up, median of {repeats} | seconds |", "| --- | --- |"]
    for name, seconds in (("`--help`", helped), ("command to first step", started)):
        lines.append(f"| {name} | {statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f}) |")
    lines += ["", f"| a step's time, {steps} steps | milliseconds | share |", "| --- | --- | --- |"]
    for name, seconds in (("step", found["step"]), ("its batch", found["data"]), ("all around", around)):
        lines.append(f"| {name} | {1000 * seconds / steps:.2f} | {100 * seconds / found['all']:.2f} % |")
    table = "\n".join(lines)
    click.echo(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "overhead.md").write_text(f"# Start-up, and around the step\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
