"""Where images come from: four sources behind one interface."""

import os
from collections.abc import Callable
from pathlib import Path

from framework.errors import DataError, EmberfieldError
from framework.settings import unknown
from framework.sources.cifar10 import load_cifar10
from framework.sources.digits import load_digits
from framework.sources.folder import load_folder, read_image
from framework.sources.image_data import ImageData
from framework.sources.npz import load_npz

__all__ = ["DATASETS", "ImageData", "cache_folder", "open_data", "read_image"]

DATASETS = ("cifar10", "digits")
"""The data sets that have a name."""


def cache_folder() -> Path:
    """Where downloads and decoded images are kept: $EMBERFIELD_CACHE, or emberfield in the user's cache folder."""
    if chosen := os.environ.get("EMBERFIELD_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emberfield"


def open_data(
    *, path: Path | None, dataset: str | None, image_size: int, cache: Path, notify: Callable[[str], None]
) -> ImageData:
    """The images at a path, or of a data set by name, brought to `image_size`.

    A path is a folder of class folders, a folder that holds CIFAR-10's official cifar-10-batches-py, or a .npz file.
    With neither, CIFAR-10 is downloaded; where it cannot be had, `notify` is told and the digits are taken, under
    their own name. Raises DataError for images that cannot be had, EmberfieldError if both are given.
    """
    if path is not None and dataset is not None:
        raise EmberfieldError(f"give --data {path} or --dataset {dataset}, not both")
    if path is not None:
        return _at(path, image_size, cache)
    if dataset == "digits":
        return load_digits(image_size)
    if dataset == "cifar10":
        return load_cifar10(cache / "cifar10", image_size)
    if dataset is not None:
        raise EmberfieldError(unknown("data set", dataset, DATASETS))
    try:
        return load_cifar10(cache / "cifar10", image_size)
    except DataError as error:
        bar = "!" * 78
        notify(f"{bar}\n{error}\nGoing on with `digits` instead. Nothing below is a result on CIFAR-10.\n{bar}")
        return load_digits(image_size)


def _at(path: Path, image_size: int, cache: Path) -> ImageData:
    try:
        if (path / "cifar-10-batches-py").is_dir():
            return load_cifar10(path, image_size, download=False)
        if path.is_dir():
            return load_folder(path, image_size, cache)
        if path.is_file():
            return load_npz(path, image_size)
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path}: {error.strerror}") from error
    raise DataError(f"there is no data at {path}: it takes a folder or a .npz file")
