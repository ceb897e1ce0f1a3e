"""Images in arrays, by the names that Keras uses: of a file, of a download, or in memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.data.image_data import Arrays, ImageData, Images, Labels
from framework.data.preprocessing import Preprocessing, fit_images, log_resizing
from framework.errors import DataError

REQUIRED = ("x_train", "y_train", "x_test", "y_test")


def from_arrays(
    name: str,
    source: Path | str,
    arrays: Mapping[str, Any],
    preprocessing: Preprocessing,
    *,
    class_names: Sequence[str] | None = None,
) -> ImageData:
    """The images x_train and x_test with the labels y_train and y_test, brought to one size, which is logged.

    Images are uint8, (N, H, W) or (N, H, W, 1) for grey and (N, H, W, 3) for colour; labels are whole numbers (N,) or
    (N, 1). Without class names the classes are their numbers. Raises DataError, naming the `source`, for anything else.
    """
    if missing := [required for required in REQUIRED if required not in arrays]:
        found = ", ".join(sorted(map(str, arrays))) or "nothing"
        raise DataError(f"{source} lacks {', '.join(missing)}; it has {found}")
    labels = {split: _labels(source, split, np.asarray(arrays[split])) for split in ("y_train", "y_test")}
    given = {split: _images(source, split, np.asarray(arrays[split])) for split in ("x_train", "x_test")}
    images = {split: fit_images(array, preprocessing) for split, array in given.items()}
    classes = _numbered(source, labels) if class_names is None else tuple(class_names)
    data = ImageData(name, images["x_train"], labels["y_train"], images["x_test"], labels["y_test"], classes)
    resized = sum(len(array) for split, array in given.items() if array is not images[split])
    not_square = sum(len(array) for array in given.values() if array.shape[1] != array.shape[2])
    log_resizing(name, sum(map(len, given.values())), resized, not_square, preprocessing)
    return data


def in_memory(data: Arrays, preprocessing: Preprocessing) -> ImageData:
    """The images of ((x_train, y_train), (x_test, y_test)), or of a mapping by these names and 'class_names'.

    NumPy arrays as `from_arrays` takes them, or torch tensors, of which images may be (N, C, H, W) too. Raises
    DataError for anything else.
    """
    if not isinstance(data, Mapping):
        try:
            (x_train, y_train), (x_test, y_test) = data
        except (TypeError, ValueError):
            raise DataError(
                f"data is a {type(data).__name__}; it takes a name, a path, ((x_train, y_train), (x_test, y_test)), or "
                f"a mapping with {', '.join(REQUIRED)}"
            ) from None
        data = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    names = data.get("class_names")
    arrays = {name: _as_numpy(value) for name, value in data.items() if name != "class_names"}
    return from_arrays("arrays", "data", arrays, preprocessing, class_names=None if names is None else list(names))


def _as_numpy(value: Any) -> npt.NDArray[Any]:
    import torch

    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    array: npt.NDArray[Any] = value.detach().cpu().numpy()
    channels_first = array.ndim == 4 and array.shape[1] in (1, 3)
    return array.transpose(0, 2, 3, 1) if channels_first else array


def _images(source: Path | str, name: str, array: npt.NDArray[Any]) -> Images:
    if array.dtype != np.uint8:
        raise DataError(f"{source}: {name} is {array.dtype}; images are uint8, 0 to 255")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[:3]:
        raise DataError(f"{source}: {name} has shape {array.shape}; valid: (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    return np.ascontiguousarray(array)


def _labels(source: Path | str, name: str, array: npt.NDArray[Any]) -> Labels:
    if not np.issubdtype(array.dtype, np.integer) or array.ndim not in (1, 2) or array.size != len(array):
        raise DataError(f"{source}: {name} is {array.dtype} {array.shape}; labels are whole numbers (N,) or (N, 1)")
    return array.ravel().astype(np.int64)


def _numbered(source: Path | str, labels: dict[str, Labels]) -> tuple[str, ...]:
    """The classes '0', '1', ... up to the highest label, which has to leave every class an image to train on."""
    classes = 1 + max(int(values.max(initial=0)) for values in labels.values())
    if classes > len(labels["y_train"]):
        raise DataError(
            f"{source}: labels reach {classes - 1}, and there are {len(labels['y_train'])} training images; "
            "classes are numbered from 0 without gaps"
        )
    return tuple(str(number) for number in range(classes))
