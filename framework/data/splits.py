"""The split of the training images into those that are trained on and those for validation."""

import numpy as np

from framework.data.image_data import Labels
from framework.errors import EmberfieldError
from framework.seeding import split_generator


def train_val_split(labels: Labels, val_size: int, seed: int) -> tuple[Labels, Labels]:
    """Indices to train on and to validate on, both ascending; a function of labels, `val_size` and `seed`.

    The split is stratified: each class gives `val_size` times its share of the images, rounded by largest remainder, so
    that exactly `val_size` are held out. Raises EmberfieldError if that leaves nothing to train on.
    """
    if val_size >= len(labels):
        raise EmberfieldError(f"val_size {val_size} leaves nothing to train on; valid: 0 to {len(labels) - 1}")
    counts = np.bincount(labels)
    exact = counts * (val_size / len(labels))
    quota = np.floor(exact).astype(np.int64)
    quota[np.argsort(quota - exact, kind="stable")[: val_size - quota.sum()]] += 1
    generator = split_generator(seed)
    held = [generator.permutation(np.flatnonzero(labels == label))[:number] for label, number in enumerate(quota)]
    held_out = np.sort(np.concatenate(held)).astype(np.int64)
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out
