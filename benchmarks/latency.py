"""Published networks in each runtime, beside plain blocks of the same cost: python -m benchmarks.latency.

One image, one thread. The reference is `separable_reference`: as many multiply-adds at the same map sizes, in float32.
Needs the extras of the formats.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import torch

from architectures import PRETRAINED
from benchmarks.separable import separable_reference
from benchmarks.tables import markdown_table, publish, results_option
from framework.checkpoint.loaded_model import LoadedModel
from framework.export.benchmark import ROUNDS, Prepared, Timed, noise, planes, prepare, timed
from framework.export.formats import FORMATS
from framework.inspection.cost import multiply_adds
from framework.run.environment import describe_environment, version_of
from recipes.s7_cifar import EXPERIMENT

HEADER = ("network", "runtime", "float32, ms", "int8, ms", "reference, ms", "float32 / reference", "int8 / float32")
PACKAGES = ("torch", "onnxruntime", "ai-edge-litert", "executorch")


def reference_of(model: LoadedModel, runtimes: Sequence[str]) -> list[Prepared]:
    """The network's reference in float32 in these runtimes, with new weights."""
    torch.manual_seed(0)
    metadata = model.metadata
    network = separable_reference(model.network, metadata.input_shape, len(metadata.class_names)).eval()
    least, most = 0.95 * (cost := multiply_adds(model.network, metadata.input_shape)), 1.05 * cost
    assert least <= multiply_adds(network, metadata.input_shape) <= most
    exported = [chosen for chosen in FORMATS.values() if chosen.runtime in runtimes]
    return [
        Prepared("PyTorch", "reference", lambda images: network(planes(images)), torch.clone),
        *(Prepared(x.runtime, "reference", x.read(x.write(network, metadata)), planes) for x in exported),
    ]


def rows(name: str, rounds: int) -> list[tuple[str, ...]]:
    """The table's lines of a published network: medians of the processor time over alternating runs."""
    model = EXPERIMENT.load(name, device="cpu")
    images = noise(model)
    networks, left_out = prepare(model, images)
    for line in left_out:
        click.echo(f"{name}: {line}", err=True)
    runtimes = list(dict.fromkeys(network.runtime for network in networks))
    found = timed([*networks, *reference_of(model, runtimes)], images[0], None, rounds)
    return [_row(name, [one for one in found if one.runtime == runtime]) for runtime in runtimes]


def _row(name: str, found: Sequence[Timed]) -> tuple[str, ...]:
    cpu_ms = {one.precision: one.cpu_ms for one in found}
    float32, int8, reference = (cpu_ms.get(precision) for precision in ("float32", "int8", "reference"))
    times = ("-" if one is None else f"{one:.3f}" for one in (float32, int8, reference))
    ratios = ("-" if not (a and b) else f"{a / b:.2f}" for a, b in ((float32, reference), (int8, float32)))
    return (name, found[0].runtime, *times, *ratios)


@click.command()
@click.argument("networks", nargs=-1, metavar="[NETWORK ...]")
@click.option("--rounds", default=ROUNDS, show_default=True, help="images that each is timed on")
@results_option
def main(networks: Sequence[str], rounds: int, results: Path) -> None:
    """Prints a table, and writes it to latency.md."""
    torch.set_num_threads(1)
    machine = describe_environment()
    versions = ", ".join(f"{name} {version}" for name in PACKAGES if (version := version_of(name)))
    lines = []
    for name in networks or [name for name in PRETRAINED if "." not in name]:
        lines += rows(name, rounds)
        click.echo("\n".join(map(" ".join, lines[-4:])), err=True)
    title = f"One image on one thread of {machine['cpu']}; {versions}; median processor time of {rounds} rounds"
    publish(results / "latency.md", title, markdown_table(HEADER, lines))


if __name__ == "__main__":
    main()
