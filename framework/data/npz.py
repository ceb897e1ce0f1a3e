"""Images in one .npz file, by the names that Keras uses."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.data.arrays import REQUIRED, from_arrays
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.errors import DataError


def load_npz(path: Path, preprocessing: Preprocessing) -> ImageData:
    """The images of a file with x_train, y_train, x_test and y_test, as `from_arrays` takes them, of 32 pixels.

    An optional array class_names names the classes. Raises DataError for anything else; nothing in the file is run.
    """
    arrays = _read(path)
    names = arrays.pop("class_names", None)
    classes = None if names is None else [_text(path, name) for name in names.ravel().tolist()]
    return from_arrays(path.stem, path, arrays, preprocessing.with_size(), class_names=classes)


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is not a .npz file, or a cut-off one; images in an archive have to be unpacked")
    try:
        # opened here: np.load leaves a damaged file open
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in (*REQUIRED, "class_names")}
    except Exception as error:  # a damaged file makes zip, zlib, the header's tokenizer or the allocation fail
        raise DataError(f"{path} cannot be read as .npz: {error}") from error
    if not arrays:
        raise DataError(f"{path} lacks {', '.join(REQUIRED)}; images in an archive have to be unpacked")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy hands on the bytes of what has no .npy header
            raise DataError(f"{path}: {name} is not an array")
    return arrays


def _text(path: Path, name: object) -> str:
    """A class name; bytes, which NumPy's type S holds, are taken for UTF-8."""
    try:
        return name.decode() if isinstance(name, bytes) else str(name)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the class name {name!r} is not UTF-8") from error
