"""What int8 costs the published networks, on all test images: python -m benchmarks.int8 --data ../cifar10.

The ranges of the activations come from photographs that no network was trained or is tested on, as most of these were
trained on every training image. Needs the extras of the formats.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from architectures import PRETRAINED
from benchmarks.command import data_options
from benchmarks.tables import markdown_table, results_option
from framework.checkpoint.loaded_model import LoadedModel, require_same_classes
from framework.data.image_data import Images
from framework.data.registry import open_named
from framework.export.formats import FORMATS, require_installed
from framework.export.int8 import CALIBRATION_IMAGES, Labelled, accuracies, int8_content
from framework.run.directory import write_json
from framework.run.environment import describe_environment, version_of
from framework.seeding import calibration_generator
from recipes.s7_cifar import EXPERIMENT

HEADER = ("network", "format", "bytes", "float32", "int8", "drop")
MACHINE = ("python", "cpu", "threads", "commit", "uncommitted_changes")
"""What is kept of the environment, as it is before the first figure is written."""


def photographs(number: int, size: int, seed: int = 0) -> Images:
    """Square parts (number, size, size, 3) of the two photographs in scikit-learn, each at least twice as large before.

    Place and size are drawn by the seed, evenly.
    """
    from sklearn.datasets import load_sample_images

    draw, whole, found = calibration_generator(seed), load_sample_images().images, []
    for index in range(number):
        photograph = whole[index % len(whole)]
        side = draw.integers(2 * size, min(photograph.shape[:2]) + 1)
        top, left = (draw.integers(0, length - side + 1) for length in photograph.shape[:2])
        part = photograph[top : top + side, left : left + side]
        found.append(cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA))
    return np.stack(found).astype(np.uint8)


def measured(model: LoadedModel, format_name: str, calibration: Images, test: Labelled) -> dict[str, Any]:
    """The accuracies on the test images, from 0 to 1, and what they were measured with."""
    chosen = FORMATS[format_name]
    content = int8_content(model, format_name, calibration)
    found = accuracies(model, chosen.read(content), test)
    packages = ("torch", "numpy", "scikit-learn", *(name.replace("_", "-") for name in chosen.needs))
    return {
        "bytes": len(content),
        "float32": found.float32,
        "int8": found.int8,
        "drop": found.drop,
        "test_images": found.images,
        "calibration_images": len(calibration),
        "packages": {name: version_of(name) for name in packages},
    }


@click.command()
@click.argument("networks", nargs=-1, metavar="[NETWORK ...]")
@data_options
@click.option("--format", "formats", multiple=True, default=("onnx", "litert"), show_default=True, help="repeatable")
@results_option
def main(networks: Sequence[str], data: str, formats: Sequence[str], results: Path) -> None:
    """Prints a table, and puts the figures into int8.json, where those of other networks and formats stay."""
    for name in formats:
        require_installed(FORMATS[name])
    machine = {name: value for name, value in describe_environment().items() if name in MACHINE}
    path = results / "int8.json"
    kept: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    rows = []
    for name in networks or [name for name in PRETRAINED if "." not in name]:
        model = EXPERIMENT.load(name, device="cpu")
        images = open_named(data, model.metadata.preprocessing)
        require_same_classes(model, images)
        test = Labelled(images.name, images.test_images, images.test_labels)
        calibration = photographs(CALIBRATION_IMAGES, model.metadata.image_size)
        for format_name in formats:
            found = measured(model, format_name, calibration, test) | machine
            kept.setdefault(name, {})[format_name] = found
            write_json(path, kept)
            shares = (f"{100 * found[precision]:.2f} %" for precision in ("float32", "int8"))
            rows.append((name, format_name, f"{found['bytes']:,}", *shares, f"{found['drop']:.2f}"))
    click.echo(markdown_table(HEADER, rows))


if __name__ == "__main__":
    main()
