"""A data set, found by name through the entry-point group `emberfield.datasets`."""

from pathlib import Path

import numpy as np

from framework.data.arrays import from_arrays
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing

CLASSES = ("rows", "columns", "diagonals")


def stripes(preprocessing: Preprocessing, _cache: Path) -> ImageData:
    """Generated 16x16 grey images with stripes of random phase in noise: 240 to train with and 60 to test."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % len(CLASSES)
    row, column = np.mgrid[:16, :16]
    along = np.stack([row, column, row + column])[labels]
    lit = (along + rng.integers(0, 4, (300, 1, 1))) % 4 < 2
    images = (rng.integers(0, 100, lit.shape) + 120 * lit).astype(np.uint8)
    arrays = {"x_train": images[:240], "y_train": labels[:240], "x_test": images[240:], "y_test": labels[240:]}
    return from_arrays("stripes", __name__, arrays, preprocessing, class_names=CLASSES)
