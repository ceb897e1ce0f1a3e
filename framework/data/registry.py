"""Data sets by name, and images at a path: one interface for all of them."""

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from framework.config.declaration import unknown
from framework.data.cifar10 import load_cifar10
from framework.data.digits import load_digits
from framework.data.folder import load_folder
from framework.data.image_data import ImageData, Named
from framework.data.npz import load_npz
from framework.data.preprocessing import Preprocessing
from framework.errors import DataError, EmberfieldError

logger = logging.getLogger(__name__)

Reader = Callable[[int, Path], ImageData]
"""Reads a data set, its images brought to a height and width in pixels; may keep files in the cache folder."""

_READERS: dict[str, Reader] = {}


def register_dataset(name: str, reader: Reader) -> Reader:
    """Gives a reader a name for `--dataset`; a later one of the same name replaces it."""
    _READERS[name] = reader
    return reader


def dataset_names() -> list[str]:
    """Every registered name, sorted."""
    return sorted(_READERS)


register_dataset("cifar10", lambda image_size, cache: load_cifar10(cache / "cifar10", image_size))
register_dataset("digits", lambda image_size, _: load_digits(image_size))


def cache_folder() -> Path:
    """Where downloads and decoded images are kept: $EMBERFIELD_CACHE, or emberfield in the user's cache folder.

    A user without a home, as of a container, has a folder of their own in the folder for temporary files.
    """
    if chosen := os.environ.get("EMBERFIELD_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emberfield"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"emberfield-{os.getuid()}"


def open_data(*, path: Path | None, dataset: str | None, preprocessing: Preprocessing, cache: Path) -> ImageData:
    """The images at a path, or of a data set by name, as `preprocessing` says.

    A path is a folder of class folders, a folder that holds CIFAR-10's official cifar-10-batches-py, or a .npz file.
    With neither, CIFAR-10 is downloaded; where it cannot be had, that is logged and the digits are taken, under their
    own name. Raises DataError for images that cannot be had, EmberfieldError if both are given or the name is unknown.
    """
    if path is not None and dataset is not None:
        raise EmberfieldError(f"give --data {path} or --dataset {dataset}, not both")
    if path is not None:
        return _at(path, preprocessing, cache)
    if dataset is not None:
        if dataset not in _READERS:
            raise EmberfieldError(unknown("data set", dataset, _READERS))
        return _READERS[dataset](preprocessing.image_size, cache)
    try:
        return _READERS["cifar10"](preprocessing.image_size, cache)
    except DataError as error:
        bar, notice = "!" * 78, "Going on with `digits` instead. Nothing below is a result on CIFAR-10."
        logger.warning("%s\n%s\n%s\n%s", bar, error, notice, bar)
        return _READERS["digits"](preprocessing.image_size, cache)


def open_named(data: Named, preprocessing: Preprocessing, dataset: str | None = None) -> ImageData:
    """Images as a user names them, preprocessed unless they are in memory; raises as `open_data` does."""
    if isinstance(data, ImageData):
        return data
    if isinstance(data, str) and data in _READERS and dataset is None:
        data, dataset = None, data
    path = None if data is None else Path(data)
    return open_data(path=path, dataset=dataset, preprocessing=preprocessing, cache=cache_folder())


def _at(path: Path, preprocessing: Preprocessing, cache: Path) -> ImageData:
    try:
        if (path / "cifar-10-batches-py").is_dir():
            return load_cifar10(path, preprocessing.image_size, download=False)
        if path.is_dir():
            return load_folder(path, preprocessing, cache)
        if path.is_file():
            return load_npz(path, preprocessing)
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path}: {error.strerror}") from error
    raise DataError(f"there is no data at {path}: it takes a folder or a .npz file")
