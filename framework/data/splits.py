"""Which images are for training, for validation and for testing."""

from collections.abc import Collection

import numpy as np

from framework.data.image_data import Labels
from framework.errors import EmberfieldError
from framework.seeding import split_generator

VALIDATION = ("val", "valid", "validation")
"""The names that a split of validation images may have."""


def assign_splits(present: Collection[str]) -> tuple[dict[str, str], str]:
    """Which split of a data set is taken for 'train', for 'test' and, if it has one, for 'val'; and what to say of it.

    Without a split 'test' the validation images are the test set.
    """
    validation = next((name for name in VALIDATION if name in present), None)
    if validation is None:
        return {"train": "train", "test": "test"}, ""
    if "test" in present:
        note = f"{validation} holds the validation images, unless --val-size draws some from train and {validation}"
        return {"train": "train", "test": "test", "val": validation}, note
    note = f"there is no test split: {validation} is the test set, and validation images are held out of train"
    return {"train": "train", "test": validation}, note


def draw_test_split(labels: Labels) -> tuple[Labels, Labels, str]:
    """Indices for training and for testing of a data set without splits, both ascending, and what to say of them.

    A fifth of each class is for testing: a function of the labels alone, whatever the seed of a training.
    """
    train, test = train_val_split(labels, len(labels) // 5, seed=0)
    note = (
        f"there are no train and test splits: a fifth of each class is the test set ({len(test):,} images in all), "
        f"always the same ones; {len(train):,} are left for training"
    )
    return train, test, note


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
