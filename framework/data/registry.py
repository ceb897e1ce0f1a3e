"""Data sets by name: ours, and those of installed packages; and images however a user names them.

A package adds its own by the entry-point group `emberfield.datasets`, whose entries read
`name = package.module:reader`.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from framework.config.declaration import unknown
from framework.data.arrays import in_memory
from framework.data.at_path import load_path
from framework.data.cifar import load_cifar
from framework.data.digits import load_digits
from framework.data.folder import load_folder
from framework.data.idx import load_mnist
from framework.data.image_data import Arrays, ImageData, Named
from framework.data.preprocessing import Preprocessing
from framework.data.svhn import load_svhn
from framework.data.tiny_imagenet import list_tiny_imagenet, obtain_tiny_imagenet
from framework.errors import DataError
from framework.run.environment import process_rank
from framework.run.given_path import given_path

logger = logging.getLogger(__name__)

GROUP = "emberfield.datasets"

Reader = Callable[[Preprocessing, Path], ImageData]
"""Reads a data set, its images brought to a size by `fit_images` or `fit_image`; may keep files in the cache folder."""

_READERS: dict[str, Reader] = {
    "cifar10": lambda preprocessing, cache: load_cifar("CIFAR-10", cache / "cifar10", preprocessing),
    "cifar100": lambda preprocessing, cache: load_cifar("CIFAR-100", cache / "cifar100", preprocessing),
    "digits": lambda preprocessing, _: load_digits(preprocessing),
    "mnist": lambda preprocessing, cache: load_mnist("MNIST", cache / "mnist", preprocessing),
    "fashion_mnist": lambda preprocessing, cache: load_mnist("Fashion-MNIST", cache / "fashion_mnist", preprocessing),
    "svhn": lambda preprocessing, cache: load_svhn(cache / "svhn", preprocessing),
    "tiny_imagenet": lambda preprocessing, cache: load_folder(
        obtain_tiny_imagenet(cache), preprocessing, cache, name="tiny_imagenet", list_files=list_tiny_imagenet
    ),
}


def register_dataset(name: str, reader: Reader) -> Reader:
    """Gives a reader a name for `--data`; a later one of the same name replaces it."""
    _READERS[name] = reader
    return reader


def dataset_names() -> list[str]:
    """Every registered name, sorted; plug-ins are listed without being loaded."""
    return sorted({*_READERS, *(entry.name for entry in entry_points(group=GROUP))})


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


def open_named(data: Named, preprocessing: Preprocessing, cache: Path | None = None) -> ImageData:
    """Images as a user names them: a data set by name, a path as `load_path` takes it, arrays, or an ImageData.

    A text is a name where there is such a data set, else a path. Without `data` CIFAR-10 is downloaded; where it cannot
    be had, that is logged and the digits are taken, under their own name. An ImageData is taken as it is. `cache` is
    the user's without one. Raises DataError for images that cannot be had.
    """
    if isinstance(data, ImageData):
        return data
    images = _opened(data, preprocessing, cache or cache_folder())
    if images.note and process_rank() == 0:
        logger.info("%s: %s", images.name, images.note)
    return images


def _opened(data: Arrays | Path | str | None, preprocessing: Preprocessing, cache: Path) -> ImageData:
    if data is None:
        return _cifar10_or_digits(preprocessing, cache)
    if isinstance(data, str) and data in dataset_names():
        return _reader(data)(preprocessing, cache)
    if not isinstance(data, (str, Path)):
        return in_memory(data, preprocessing)
    if isinstance(data, str) and os.sep not in data and not Path(data).exists():
        raise DataError(f"there is no data at {data}: {unknown('data set', data, dataset_names())}, or a path")
    return load_path(given_path(data, "data"), preprocessing, cache)


def _cifar10_or_digits(preprocessing: Preprocessing, cache: Path) -> ImageData:
    try:
        return _reader("cifar10")(preprocessing, cache)
    except DataError as error:
        bar, notice = "!" * 78, "Going on with `digits` instead. Nothing below is a result on CIFAR-10."
        logger.warning("%s\n%s\n%s\n%s", bar, error, notice, bar)
        return _reader("digits")(preprocessing, cache)


def _reader(name: str) -> Reader:
    """Raises DataError for a name that is registered twice, and a plug-in that cannot be loaded."""
    entries = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    origins = [*(["this program"] if name in _READERS else []), *entries]
    if len(origins) > 1:
        raise DataError(f"the data set {name!r} is registered by {' and again by '.join(origins)}")
    if name in _READERS:
        return _READERS[name]
    (entry,) = entries.values()
    try:
        reader: Reader = entry.load()
    except Exception as error:  # a module of someone else's can raise anything
        raise DataError(f"the data set {entry.value!r} cannot be loaded: {type(error).__name__}: {error}") from error
    return reader
