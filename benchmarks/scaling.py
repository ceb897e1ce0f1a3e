"""How time, memory and start-up grow: python -m benchmarks.scaling.

Each case is a short run of the recipe's command on noise, which costs what images cost; one thing differs from the
first case. Writes results/scaling.md.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command import Cost, train
from benchmarks.tables import markdown_table, publish, results_option

HEADER = ("case", "start-up, s", "step of 64 images, ms", "peak memory, MiB")


@dataclass(frozen=True)
class Case:
    """One size of everything; `processes` of 0 are one without torchrun."""

    images: int = 50_000
    side: int = 32
    classes: int = 10
    width: float = 1.0
    processes: int = 0


CASES = {
    "the default": Case(),
    "10,000 images": Case(images=10_000),
    "200,000 images": Case(images=200_000),
    "side 64": Case(images=10_000, side=64),
    "side 128": Case(images=10_000, side=128),
    "width 0.5": Case(width=0.5),
    "width 2": Case(width=2.0),
    "100 classes": Case(classes=100),
    "1,000 classes": Case(classes=1000),
    "1 process of 1 thread": Case(processes=1),
    "2 processes of 1 thread": Case(processes=2),
}


def write_noise(path: Path, case: Case) -> None:
    """A .npz of random images, as many for the test as a fifth of the training's, at most 10,000."""
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", case.images), ("test", min(case.images // 5, 10_000))):
        arrays[f"x_{split}"] = generator.integers(0, 256, (count, case.side, case.side, 3), np.uint8)
        arrays[f"y_{split}"] = np.arange(count) % case.classes
    np.savez(path, **arrays)


def measure(case: Case, steps: int) -> Cost:
    """The cost of a case, on data that were written just before."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "noise.npz"
        write_noise(data, replace(case, processes=0))
        options = ["--data", str(data), "--image-size", str(case.side), "--batch-size", "64", "--precision", "float32"]
        options += ["--arch-options", f'{{"width": {case.width}}}', "--device", "cpu"]
        if not case.processes:
            return train(options, steps=steps)
        prefix = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(case.processes)]
        return train(options, steps=steps, prefix=prefix, environment={"OMP_NUM_THREADS": "1"})


@click.command()
@click.option("--steps", default=30, show_default=True, help="measured steps")
@click.option("--case", "names", multiple=True, type=click.Choice(list(CASES)), help="by default all")
@results_option
def main(steps: int, names: tuple[str, ...], results: Path) -> None:
    """Prints and writes the table."""
    rows = []
    for name in names or CASES:
        cost = measure(CASES[name], steps)
        rows.append((name, f"{cost.start:.1f}", f"{1000 * cost.step:.0f}", f"{cost.peak_bytes / 2**20:,.0f}"))
        click.echo(": ".join((name, ", ".join(rows[-1][1:]))), err=True)
    publish(results / "scaling.md", "Growth", markdown_table(HEADER, rows))


if __name__ == "__main__":
    main()
