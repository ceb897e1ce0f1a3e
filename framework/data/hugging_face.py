"""A data set of images as Hugging Face's library `datasets` saves it to disk."""

import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.data.arrays import from_arrays
from framework.data.image_data import ImageData, Images, Labels
from framework.data.image_file import decode_bytes
from framework.data.preprocessing import Preprocessing, fit_image, log_resizing
from framework.data.splits import assign_splits, draw_test_split
from framework.errors import DataError, DeviceError

LABELS = ("label", "fine_label", "labels")
"""What the column of the classes may be called where several could be meant."""

Split = tuple[Sequence[bytes], Labels]
"""The content of image files, and their labels (N,)."""


def is_saved_to_disk(path: Path) -> bool:
    """Whether a folder is what `save_to_disk` leaves, of one split or of several."""
    return any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))


def load_saved_to_disk(path: Path, preprocessing: Preprocessing) -> ImageData:
    """The images of a data set with a column of images and one of class labels; grey if all of them are grey.

    Splits are taken as those of folders are: see `assign_splits` and `draw_test_split`. Raises DeviceError without the
    library, and DataError for a data set without such columns or without a split 'train', and for a broken image.
    """
    parts = _read(path)
    places, note = assign_splits(parts)
    image, label, names = _columns(path, parts["train"].features)
    splits = {split: _split(path, parts[place], image, label) for split, place in places.items() if place in parts}
    if "test" not in splits:
        contents, labels = splits["train"]
        *drawn, note = draw_test_split(labels)
        train, test = (([contents[index] for index in chosen], labels[chosen]) for chosen in drawn)
        splits = {"train": train, "test": test}
    held = splits.pop("val", ([], np.zeros(0, np.int64)))
    training = [*splits["train"][0], *held[0]]
    images = _decoded(path, [*training, *splits["test"][0]], preprocessing)
    arrays = {
        "x_train": images[: len(training)],
        "y_train": np.concatenate([splits["train"][1], held[1]]),
        "x_test": images[len(training) :],
        "y_test": splits["test"][1],
    }
    data = from_arrays(path.resolve().name, path, arrays, preprocessing, class_names=names)
    held_out = np.arange(len(splits["train"][0]), len(training)) if len(held[0]) else None
    return dataclasses.replace(data, held_out=held_out, note=note)


def _read(path: Path) -> dict[str, Any]:
    """The splits by their names; a data set without any is all 'train'."""
    try:
        import datasets
    except ImportError as error:
        raise DeviceError(
            f"{path} is a data set of Hugging Face, and `datasets` is missing: pip install 'emberfield[datasets]'"
        ) from error
    try:
        loaded = datasets.load_from_disk(str(path))
    except Exception as error:  # a damaged file makes pyarrow, JSON or the library itself fail
        raise DataError(f"cannot read the data set {path}: {error}") from error
    parts = dict(loaded) if isinstance(loaded, Mapping) else {"train": loaded}
    if "train" not in parts:
        raise DataError(f"{path} lacks the split 'train'; it has {', '.join(sorted(parts))}")
    return parts


def _columns(path: Path, features: Mapping[str, Any]) -> tuple[str, str, Sequence[str] | None]:
    """The columns of the images and of the labels, and the names of the classes where the data set knows them."""
    import datasets

    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    classes = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    labels = [name for name in LABELS if name in (classes or features)] or classes
    if len(images) != 1 or not labels:
        raise DataError(
            f"{path} has the columns {', '.join(features)}; it takes one of images and one of labels, of the type "
            f"ClassLabel or called {' or '.join(LABELS)}"
        )
    return images[0], labels[0], getattr(features[labels[0]], "names", None)


def _split(path: Path, part: Any, image: str, label: str) -> Split:
    import datasets

    files = part.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    contents = []
    for row in files:
        cell = row[image] or {}
        try:
            contents.append(cell["bytes"] if cell.get("bytes") else Path(cell["path"]).read_bytes())
        except (OSError, KeyError, TypeError) as error:
            raise DataError(f"{path}: image {len(contents)} cannot be read: {error}") from error
    labels = np.asarray(part.with_format("numpy")[label][:])
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{path}: the column {label!r} is {labels.dtype}; labels are whole numbers")
    return contents, labels.astype(np.int64)


def _decoded(path: Path, contents: Sequence[bytes], preprocessing: Preprocessing) -> Images:
    """The images in their own size, if they have one in common, else fitted, which is logged."""
    channels = 1 if all(map(_is_grey, contents)) else 3
    images = [
        decode_bytes(content, f"{path}: image {number}", preprocessing, channels)
        for number, content in enumerate(contents)
    ]
    shapes = [image.shape for image in images]
    if len(set(shapes)) > 1:
        size = preprocessing.size
        resized, not_square = sum(shape[:2] != (size, size) for shape in shapes), sum(h != w for h, w, _ in shapes)
        log_resizing(path.name, len(images), resized, not_square, preprocessing)
        images = [fit_image(image, preprocessing) for image in images]
    return np.stack(images)


def _is_grey(content: bytes) -> bool:
    """Whether an image file has grey levels alone, by its header; what cannot be told is not."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as opened:
            return opened.mode in ("1", "L") and not opened.has_transparency_data
    except UnidentifiedImageError:
        return False
