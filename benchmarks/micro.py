"""Whether a microcontroller would predict the same: python -m benchmarks.micro NETWORK.tflite --data NAME|PATH.

Runs an exported int8 network in tflite-micro's interpreter and by LiteRT's reference kernels on test images, lists the
images whose labels differ, and exits with 1 if they are more than two. Needs the extras litert and tflm.
"""

import sys
from pathlib import Path

import click
import numpy as np

from benchmarks.command import data_options
from framework.data.image_data import Images

ALLOWED = 2
"""The labels that may differ."""


def disagreements(content: bytes, images: Images) -> list[tuple[int, int, int]]:
    """The images (N, H, W, C) with another label in tflite-micro: their numbers, the reference's label and micro's."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    from tflite_micro.python.tflite_micro import runtime

    reference = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    taken, given = reference.get_input_details()[0]["index"], reference.get_output_details()[0]["index"]
    micro = runtime.Interpreter.from_bytes(content)
    differing = []
    for number, image in enumerate(images):
        reference.set_tensor(taken, image[None])
        reference.invoke()
        micro.set_input(image[None], 0)
        micro.invoke()
        labels = int(np.argmax(reference.get_tensor(given))), int(np.argmax(micro.get_output(0)))
        if labels[0] != labels[1]:
            differing.append((number, *labels))
    return differing


@click.command()
@click.argument("network", type=click.Path(path_type=Path, exists=True))
@data_options
def main(network: Path, data: str) -> None:
    """Prints the differing images, then their number."""
    from framework.data.preprocessing import Preprocessing
    from framework.data.registry import open_named
    from framework.export.agreement import evenly_spread
    from framework.export.litert import read_metadata

    content = network.read_bytes()
    said = read_metadata(content)
    named = open_named(data, Preprocessing(image_size=said["image_size"]))
    chosen = evenly_spread(len(named.test_images))
    differing = disagreements(content, named.test_images[chosen])
    for number, expected, found in differing:
        at = chosen.step * number
        click.echo(f"test image {at}: class {expected} by the reference kernels, {found} by tflite-micro")
    click.echo(f"{len(differing)} of {len(named.test_images[chosen]):,} labels differ")
    sys.exit(len(differing) > ALLOWED)


if __name__ == "__main__":
    main()
