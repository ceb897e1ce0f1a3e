"""A few images of each class of a data set, with all its test images, as a folder of PNG files.

python -m benchmarks.subset ../cifar10 ../cifar10-10 --each 10 --seed 0
"""

from pathlib import Path

import click
import cv2
import numpy as np

from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named


@click.command(help=__doc__)
@click.argument("data")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--each", default=10, help="training images of each class")
@click.option("--seed", default=0, help="which ones")
@click.option("--image-size", type=int, help="height and width, if not those of the data set")
def main(data: str, out: Path, each: int, seed: int, image_size: int | None) -> None:
    """Writes train/CLASS/NUMBER.png and test/CLASS/NUMBER.png, in color, into a new folder."""
    images = open_named(data, Preprocessing(image_size))
    order = np.random.default_rng(seed).permutation(len(images.train_labels))
    chosen = [order[images.train_labels[order] == label][:each] for label in range(images.num_classes)]
    out.mkdir(parents=True)
    for split, pixels, labels, numbers in (
        ("train", images.train_images, images.train_labels, np.concatenate(chosen)),
        ("test", images.test_images, images.test_labels, np.arange(len(images.test_labels))),
    ):
        for number in numbers.tolist():
            name = images.class_names[labels[number]].replace("/", " or ")
            (folder := out / split / name).mkdir(parents=True, exist_ok=True)
            rgb = np.broadcast_to(pixels[number], (*pixels[number].shape[:2], 3))
            cv2.imwrite(str(folder / f"{number:05}.png"), np.ascontiguousarray(rgb[..., ::-1]))


if __name__ == "__main__":
    main()
