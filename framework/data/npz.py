"""Images in one .npz file, by the names that Keras uses."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.data.image_data import ImageData, Images, Labels, resize_all
from framework.errors import DataError

REQUIRED = ("x_train", "y_train", "x_test", "y_test")


def load_npz(path: Path, image_size: int) -> ImageData:
    """The images of a file with x_train, y_train, x_test and y_test, brought to `image_size`.

    Images are uint8, (N, H, W) or (N, H, W, 1) for grey and (N, H, W, 3) for colour; labels are whole numbers (N,) or
    (N, 1). An optional array class_names names the classes, else they are their numbers. Raises DataError for anything
    else; nothing in the file is ever run.
    """
    arrays = _read(path)
    if missing := [name for name in REQUIRED if name not in arrays]:
        raise DataError(f"{path} lacks {', '.join(missing)}; it has {', '.join(sorted(arrays)) or 'nothing'}")
    labels = {name: _labels(path, name, arrays[name]) for name in ("y_train", "y_test")}
    images = {name: _images(path, name, arrays[name], image_size) for name in ("x_train", "x_test")}
    names = arrays.get("class_names")
    class_names = _numbered(path, labels) if names is None else tuple(str(name) for name in names.ravel().tolist())
    return ImageData(path.stem, images["x_train"], labels["y_train"], images["x_test"], labels["y_test"], class_names)


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


def _images(path: Path, name: str, array: npt.NDArray[Any], size: int) -> Images:
    if array.dtype != np.uint8:
        raise DataError(f"{path}: {name} is {array.dtype}; images are uint8, 0 to 255")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[:3]:
        raise DataError(f"{path}: {name} has shape {array.shape}; valid: (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    return resize_all(array, size)


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
