"""One baseline in a process of its own: python -m benchmarks.baselines NAME --recipe s8_resnet.

It warms up, then waits for a line of standard input before each turn, after which it prints a JSON object with
images_per_second, peak_bytes and threads. It ends when the input does.
"""

import contextlib
import importlib
import json
import sys

import click

from benchmarks.baselines import BASELINES

RECIPES = ("s6_normalization", "s7_cifar", "s8_resnet", "s9_onecycle", "s10_tiny_imagenet")


@click.command()
@click.argument("baseline", type=click.Choice(BASELINES))
@click.option("--recipe", type=click.Choice(RECIPES), required=True)
@click.option("--channels-last", is_flag=True, help="the memory format of network and images")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--data", help="images by name or path  [default: made up, as many as are needed]")
@click.option("--batch-size", type=int, help="[default: the recipe's]")
@click.option("--workers", default=0, show_default=True, help="processes that load images")
@click.option("--warmup", default=2, show_default=True, help="steps before the first turn")
@click.option("--steps", default=8, show_default=True, help="of a turn, or a multiple of it")
@click.option("--seconds", default=1.0, show_default=True, help="that a turn takes at the least")
def main(
    baseline: str,
    recipe: str,
    channels_last: bool,
    precision: str,
    device: str,
    data: str | None,
    batch_size: int | None,
    workers: int,
    warmup: int,
    steps: int,
    seconds: float,
) -> None:
    """Trains by one baseline, turn by turn."""
    from benchmarks.baselines.setup import Setup, peak_bytes
    from framework.run.environment import choose_device

    place, results = choose_device(device), sys.stdout

    def next_turn(rate: float | None) -> bool:
        import torch

        found = {"images_per_second": rate, "peak_bytes": peak_bytes(place), "threads": torch.get_num_threads()}
        print(json.dumps(found), file=results, flush=True)
        return bool(sys.stdin.readline())

    setup = Setup(
        recipe=recipe,
        channels_last=channels_last,
        precision=precision,
        device=place,
        data=data,
        batch_size=batch_size,
        workers=workers,
        warmup=warmup,
        steps=steps,
        seconds=seconds,
        next_turn=next_turn,
    )
    with contextlib.redirect_stdout(sys.stderr):
        importlib.import_module(f"benchmarks.baselines.{baseline}").run(setup)


if __name__ == "__main__":
    main()
