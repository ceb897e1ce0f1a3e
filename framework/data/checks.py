"""What images and labels have to be like to be trained on, and images that training and test share."""

import hashlib
from collections.abc import Iterator

import numpy as np

from framework.data.image_data import ImageData, Images, Labels
from framework.data.memory_map import chunks
from framework.errors import DataError, EmberfieldError


def require_trainable(data: ImageData) -> None:
    """Raises DataError for a single class, and for classes that no training image has."""
    if data.num_classes < 2:
        raise DataError(f"{data.name} has one class, {data.class_names[0]!r}: there is nothing to classify")
    if empty := _without(data, data.train_labels):
        raise DataError(
            f"{data.name}: no training image has {_labels(data, empty)}; classes are numbered from 0 without gaps, "
            "and each needs images to train on"
        )


def require_all_classes_trained(data: ImageData, trained: Labels, val_size: int) -> None:
    """Raises EmberfieldError for classes of which no image is among the indices `trained`, but all are held out."""
    if empty := _without(data, data.train_labels[trained]):
        raise EmberfieldError(
            f"--val-size {val_size} holds out every training image of {_labels(data, empty)}: take a smaller one, "
            "--val-size 0, or more images"
        )


def shared_images(data: ImageData) -> tuple[int, int]:
    """How many test images are training images too, pixel by pixel, and how many training images are such copies."""
    train, test = (list(_digests(images)) for images in (data.train_images, data.test_images))
    both = set(train) & set(test)
    return sum(digest in both for digest in test), sum(digest in both for digest in train)


def _digests(images: Images) -> Iterator[bytes]:
    for piece in chunks(images, 500):
        yield from (hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in piece)


def _without(data: ImageData, labels: Labels) -> list[int]:
    """The classes that none of the labels name."""
    return np.flatnonzero(np.bincount(labels, minlength=data.num_classes) == 0).tolist()


def _labels(data: ImageData, labels: list[int]) -> str:
    shown = ", ".join(f"{label} ({data.class_names[label]!r})" for label in labels[:5])
    further = f" and {len(labels) - 5:,} others" if len(labels) > 5 else ""
    return f"the label{'s' if len(labels) > 1 else ''} {shown}{further}"
