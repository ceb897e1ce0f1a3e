"""One measurement in a process of its own: python -m benchmarks.contenders NAME; prints JSON."""

import importlib
import json
from pathlib import Path

import click
import torch

from benchmarks.contenders.setup import Setup, peak_bytes
from framework.run.environment import choose_device
from framework.engine.precision import choose_precision


@click.command()
@click.argument("contender", type=click.Choice(["bare", "emberfield", "ignite_stock", "lightning_stock", "loop"]))
@click.option("--tuned", is_flag=True)
@click.option("--augment", is_flag=True)
@click.option("--device", default="auto")
@click.option("--data", type=click.Path(path_type=Path))
@click.option("--batch-size", default=64)
@click.option("--warmup", default=30)
@click.option("--steps", default=150)
@click.option("--workers", default=0)
@click.option("--precision", default="auto")
def main(contender: str, device: str, precision: str, **options: object) -> None:
    """Measures and prints a JSON object: images_per_second, peak_bytes, precision."""
    place = choose_device(device)
    if precision == "auto":
        from architectures import create

        precision = choose_precision("auto", create("c1c2c3c40").to(place), (3, 32, 32), place)
    setup = Setup(contender=contender, device=place, precision=precision, **options)  # type: ignore[arg-type]
    rate, workers = importlib.import_module(f"benchmarks.contenders.{contender}").run(setup)
    peak = peak_bytes(place) + (workers if place.type == "cpu" else 0)
    found = {"images_per_second": rate, "peak_bytes": peak, "precision": precision}
    print(json.dumps(found | {"threads": torch.get_num_threads()}))


main()
