"""The pool of workers beside torch's DataLoader: python -m benchmarks.workers --data ../cifar10 [--workers 2].

Both make the same batches by the same function, in as many processes that are as far ahead: what differs is how a batch
comes to the training process. They take turns; a figure is the median of the rounds, and a ratio is taken within a
round. Nothing is trained, so this is the most that a loader gives.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click
from torch.utils.data import DataLoader, Dataset

from benchmarks.command import data_options
from benchmarks.tables import markdown_table, publish, results_option
from benchmarks.throughput import machine
from framework.data.data_module import setup
from framework.data.loader import AHEAD, WorkerLoader
from framework.data.rendering import Batch
from recipes.s7_cifar import EXPERIMENT

HEADER = ("loader", "images/s", "range", "of DataLoader")
POOL, DATA_LOADER = "WorkerPool", "DataLoader"


class Batches(Dataset[Batch]):
    """The batches of a loader by their step, for torch's."""

    def __init__(self, loader: WorkerLoader) -> None:
        self.loader = loader

    def __getitem__(self, step: int) -> Batch:
        return self.loader.batch(step)


def data_loader(loader: WorkerLoader) -> DataLoader[Batch]:
    """torch's DataLoader of the same steps, workers and batches ahead."""
    return DataLoader(
        Batches(loader),
        batch_size=None,
        sampler=range(loader.start, loader.stop),
        num_workers=loader.workers,
        prefetch_factor=AHEAD,
    )


def images_per_second(batches: Iterable[Batch], warmup: int) -> float:
    """The images of each second after `warmup` batches, in which the processes start."""
    images, began = 0, 0.0
    for number, (made, _) in enumerate(batches, 1):
        images += len(made) if number > warmup else 0
        if number == warmup:
            began = time.perf_counter()
    return images / (time.perf_counter() - began)


def compare(measures: Mapping[str, Callable[[], float]], rounds: int) -> list[tuple[str, str, str, str]]:
    """Measures all in turn, every other round in reverse; a line for each, as `HEADER` has it."""
    rates: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        for name in list(measures)[:: -1 if number % 2 else 1]:
            rates[name].append(measures[name]())
        click.echo(f"round {number + 1} of {rounds}", err=True)
    return [
        (
            name,
            f"{statistics.median(found):,.0f}",
            f"{min(found):,.0f} to {max(found):,.0f}",
            f"{statistics.median(a / b for a, b in zip(found, rates[DATA_LOADER], strict=True)):.3f}",
        )
        for name, found in rates.items()
    ]


@click.command()
@data_options
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=300, show_default=True, help="measured batches of a round")
@click.option("--warmup", type=click.IntRange(1), default=50, show_default=True, help="batches before them")
@click.option("--batch-size", default=64, show_default=True)
@results_option
def main(data: str, workers: int, rounds: int, steps: int, warmup: int, batch_size: int, results: Path) -> None:
    """Measures both loaders with the recipe's transforms; prints a table and writes it to workers.md."""
    module = setup(EXPERIMENT.settings({"data": data, "batch_size": batch_size}))
    loader = WorkerLoader(module.training, module.sampler, 0, warmup + steps, workers)
    rows = compare(
        {
            POOL: lambda: images_per_second(loader, warmup),
            DATA_LOADER: lambda: images_per_second(data_loader(loader), warmup),
        },
        rounds,
    )
    how = f"{workers} workers, batch {batch_size}, median of {rounds} rounds of {steps} batches after {warmup}"
    publish(results / "workers.md", "Workers", f"{machine()}; {how}.\n\n{markdown_table(HEADER, rows)}")


if __name__ == "__main__":
    main()
