"""Images in one .npz file, by the names that Keras uses."""

import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.data.image_data import ImageData, Images, Labels
from framework.data.preprocessing import Preprocessing, fit_images, resizing
from framework.errors import DataError
from framework.run.environment import process_rank

logger = logging.getLogger(__name__)

REQUIRED = ("x_train", "y_train", "x_test", "y_test")


def load_npz(path: Path, preprocessing: Preprocessing) -> ImageData:
    """The images of a file with x_train, y_train, x_test and y_test, brought to one size, which is logged.

    Images are uint8, (N, H, W) or (N, H, W, 1) for grey and (N, H, W, 3) for colour; labels are whole numbers (N,) or
    (N, 1). An optional array class_names names the classes, else they are their numbers. Raises DataError for anything
    else; nothing in the file is ever run.
    """
    arrays = _read(path)
    if missing := [name for name in REQUIRED if name not in arrays]:
        raise DataError(f"{path} lacks {', '.join(missing)}; it has {', '.join(sorted(arrays)) or 'nothing'}")
    labels = {name: _labels(path, name, arrays[name]) for name in ("y_train", "y_test")}
    files = {name: _images(path, name, arrays[name]) for name in ("x_train", "x_test")}
    images = {name: fit_images(array, preprocessing) for name, array in files.items()}
    names = arrays.get("class_names")
    classes = _numbered(path, labels) if names is None else tuple(_text(path, name) for name in names.ravel().tolist())
    data = ImageData(path.stem, images["x_train"], labels["y_train"], images["x_test"], labels["y_test"], classes)
    resized = sum(len(array) for array in files.values() if array.shape[1:3] != (preprocessing.image_size,) * 2)
    not_square = sum(len(array) for array in files.values() if array.shape[1] != array.shape[2])
    said = resizing(sum(map(len, files.values())), resized, not_square, preprocessing)
    if said and process_rank() == 0:
        logger.info("%s: %s", path.name, said)
    return data


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is not a .npz file, or a cut-off one")
    try:
        # opened here: np.load leaves a damaged file open
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in (*REQUIRED, "class_names")}
    except Exception as error:  # a damaged file makes zip, zlib, the header's tokenizer or the allocation fail
        raise DataError(f"{path} cannot be read as .npz: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy hands on the bytes of what has no .npy header
            raise DataError(f"{path}: {name} is not an array")
    return arrays


def _images(path: Path, name: str, array: npt.NDArray[Any]) -> Images:
    if array.dtype != np.uint8:
        raise DataError(f"{path}: {name} is {array.dtype}; images are uint8, 0 to 255")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[:3]:
        raise DataError(f"{path}: {name} has shape {array.shape}; valid: (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    return array


def _text(path: Path, name: object) -> str:
    """A class name; bytes, which NumPy's type S holds, are taken for UTF-8."""
    try:
        return name.decode() if isinstance(name, bytes) else str(name)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the class name {name!r} is not UTF-8") from error


def _labels(path: Path, name: str, array: npt.NDArray[Any]) -> Labels:
    if not np.issubdtype(array.dtype, np.integer) or array.ndim not in (1, 2) or array.size != len(array):
        raise DataError(f"{path}: {name} is {array.dtype} {array.shape}; labels are whole numbers (N,) or (N, 1)")
    return array.ravel().astype(np.int64)


def _numbered(path: Path, labels: dict[str, Labels]) -> tuple[str, ...]:
    """The classes '0', '1', ... up to the highest label, which has to leave every class an image to train on."""
    classes = 1 + max(int(values.max(initial=0)) for values in labels.values())
    if classes > len(labels["y_train"]):
        raise DataError(
            f"{path}: labels reach {classes - 1}, and there are {len(labels['y_train'])} training images; "
            "classes are numbered from 0 without gaps"
        )
    return tuple(str(number) for number in range(classes))
