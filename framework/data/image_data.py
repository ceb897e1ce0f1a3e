"""What every reader of images gives, of one size."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.data.memory_map import chunks
from framework.errors import DataError

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImageData:
    """Training and test images (N, H, W, C) as uint8, their labels (N,) as int64, and names.

    `held_out` are the indices of the training images that the data set keeps for validation, ascending, where it does.
    `note` is what a reader has to know of how the splits came about. The arrays may be memory maps. Raises DataError
    for a split that is empty, for shapes, types or labels that do not fit each other, and for a class name that is used
    more than once.
    """

    name: str
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    class_names: tuple[str, ...]
    held_out: Labels | None = None
    note: str = ""

    def __post_init__(self) -> None:
        for split, images, labels in (
            ("training", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            if images.ndim != 4 or images.dtype != np.uint8:
                found = f"{images.dtype} {images.shape}"
                raise DataError(f"{self.name}: {split} images are {found}, not uint8 (N, H, W, C)")
            if labels.shape != (len(images),) or labels.dtype != np.int64:
                raise DataError(f"{self.name}: {split} labels are {labels.dtype} {labels.shape}, not int64 (N,)")
            if len(images) == 0:
                raise DataError(f"{self.name}: there are no {split} images")
            if labels.min() < 0 or labels.max() >= len(self.class_names):
                found, valid = f"{labels.min()} to {labels.max()}", f"0 to {len(self.class_names) - 1}"
                raise DataError(f"{self.name}: {split} labels run from {found}, valid: {valid}")
        name, uses = Counter(self.class_names).most_common(1)[0]
        if uses > 1:
            raise DataError(f"{self.name}: the class name {name!r} is used {uses} times")
        train, test = self.train_images.shape[1:], self.test_images.shape[1:]
        if train != test:
            raise DataError(f"{self.name}: training images are {train}, test images {test}")

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return int(self.train_images.shape[3])

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    def fingerprint(self) -> str:
        """The SHA-256 of all images, labels and class names, and of what is held out, in hexadecimal."""
        digest = hashlib.sha256("\0".join(self.class_names).encode(errors="surrogateescape"))
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(str(array.shape).encode())
            for piece in chunks(array, 500):
                digest.update(np.ascontiguousarray(piece).data)
        if self.held_out is not None:
            digest.update(self.held_out.tobytes())
        return digest.hexdigest()


Arrays = Mapping[str, Any] | tuple[tuple[Any, Any], tuple[Any, Any]]
"""Images and labels in memory, as `framework.data.arrays.in_memory` takes them."""

Named = ImageData | Arrays | Path | str | None
"""A data set's name, a path ('./name' for a folder that is called like a data set), images in memory, or none."""
