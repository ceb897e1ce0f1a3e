"""MNIST (LeCun, Cortes and Burges 1998) and what has its idx files: read from a folder, or downloaded into it."""

import gzip
import hashlib
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.data.arrays import from_arrays
from framework.data.download import OfficialFile, obtain
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.errors import DataError

FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
"""The files by what is in them; each may be gzipped, with the ending .gz."""

FASHION_LABELS = "8dea97a4e78c1bd1b5a6e8efbb870b6e"
"""The MD5 of Fashion-MNIST's test labels: its files in a folder of any name have its class names."""

DEBIAN = "the package dataset-fashion-mnist of Debian and Ubuntu, then --data /usr/share/datasets/fashion-mnist; "


def load_mnist(title: str, root: Path, preprocessing: Preprocessing) -> ImageData:
    """MNIST, or Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), downloaded into `root` and checked by MD5.

    60,000 training and 10,000 test images of 28x28 grey pixels. Raises DataError if they cannot be had.
    """
    from torchvision import datasets

    kind = {"MNIST": datasets.MNIST, "Fashion-MNIST": datasets.FashionMNIST}[title]
    files = [OfficialFile(name, md5, tuple(url + name for url in kind.mirrors)) for name, md5 in kind.resources]
    obtain(title, root, files, hint=DEBIAN if title == "Fashion-MNIST" else "")
    classes = [str(digit) for digit in range(10)] if title == "MNIST" else kind.classes
    return load_idx(root, preprocessing, name=title.lower().replace("-", "_"), class_names=classes)


def is_idx_folder(path: Path) -> bool:
    """Whether a folder holds idx files of training images."""
    return any((path / f"{FILES['x_train']}{ending}").is_file() for ending in ("", ".gz"))


def load_idx(
    path: Path, preprocessing: Preprocessing, *, name: str | None = None, class_names: Sequence[str] | None = None
) -> ImageData:
    """The four idx files of a folder, gzipped or not; without class names those of Fashion-MNIST, or numbers.

    Raises DataError for a file that is missing, cut off or of another format.
    """
    arrays = {key: read_idx(_find(path, file)) for key, file in FILES.items()}
    labels = hashlib.md5(arrays["y_test"].tobytes(), usedforsecurity=False)
    if class_names is None and labels.hexdigest() == FASHION_LABELS:
        from torchvision.datasets import FashionMNIST

        class_names = FashionMNIST.classes
    return from_arrays(name or path.resolve().name, path, arrays, preprocessing, class_names=class_names)


def read_idx(path: Path) -> npt.NDArray[Any]:
    """The array of unsigned bytes in an idx file. Raises DataError, naming the file, for any other content."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if content[:3] != b"\0\0\x08" or len(content) < 4:  # two zeros, and the code of unsigned bytes
        found = content[:4].hex(" ") or "nothing"
        raise DataError(f"{path} begins with {found}; an idx file of unsigned bytes begins with 00 00 08")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start], ">u4").tolist() if len(content) >= start else []
    if len(shape) != content[3] or len(content) - start != math.prod(shape):
        raise DataError(f"{path} is cut off, or longer than its header says: {len(content):,} bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _find(path: Path, file: str) -> Path:
    for found in (path / file, path / f"{file}.gz"):
        if found.is_file():
            return found
    raise DataError(f"{path} lacks {file} or {file}.gz; it takes {', '.join(FILES.values())}")
