"""One measurement in a process of its own: python -m benchmarks.baselines NAME; prints JSON."""

import importlib
import json

import click

from benchmarks.baselines import BASELINES
from benchmarks.command import data_options


@click.command()
@click.argument("baseline", type=click.Choice(BASELINES))
@click.option("--tuned", is_flag=True, help="our precision and memory format instead of the library's defaults")
@click.option("--augment", is_flag=True, help="augment the images as the recipe does")
@click.option("--device", default="auto", show_default=True)
@data_options
@click.option("--batch-size", default=64, show_default=True)
@click.option("--warmup", default=30, show_default=True, help="steps before the measured ones")
@click.option("--steps", default=150, show_default=True, help="measured steps")
@click.option("--workers", default=0, show_default=True, help="processes that load images")
@click.option("--precision", default="auto", show_default=True)
def main(
    baseline: str,
    tuned: bool,
    augment: bool,
    device: str,
    data: str,
    batch_size: int,
    warmup: int,
    steps: int,
    workers: int,
    precision: str,
) -> None:
    """Measures and prints a JSON object: images_per_second, peak_bytes, precision, threads."""
    import torch

    from architectures import create
    from benchmarks.baselines.setup import Setup, peak_bytes
    from framework.engine.precision import choose_precision
    from framework.run.environment import choose_device

    place = choose_device(device)
    if precision == "auto":
        precision = choose_precision("auto", create("c1c2c3c40").to(place), (3, 32, 32), place)
    setup = Setup(
        tuned=tuned,
        augment=augment,
        device=place,
        data=data,
        batch_size=batch_size,
        warmup=warmup,
        steps=steps,
        workers=workers,
        precision=precision,
    )
    rate, worker_bytes = importlib.import_module(f"benchmarks.baselines.{baseline}").run(setup)
    peak = peak_bytes(place) + (worker_bytes if place.type == "cpu" else 0)
    found = {"images_per_second": rate, "peak_bytes": peak, "precision": precision}
    click.echo(json.dumps(found | {"threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
