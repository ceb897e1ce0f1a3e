"""Small training images and their sampler, for the tests of what renders and loads them."""

from typing import Any

import numpy as np

from framework.data.augment import build_augmentation
from framework.data.rendering import TrainingImages
from framework.data.sampler import TrainingSampler
from recipes.s7_cifar import DEFAULTS


def write_keys(image: np.ndarray, *, seed: int, epoch: int, sample: int) -> np.ndarray:
    """An augmentation that fills the image with its keys, so that a batch shows what it was made from."""
    return np.full_like(image, written(seed, epoch, sample))


def written(seed: int, epoch: int, sample: int) -> int:
    """The grey level that `write_keys` writes."""
    return (7 * seed + 31 * epoch + sample) % 251


def keyed_images(**changes: Any) -> TrainingImages:
    """50 images of 2x2 with labels 0 to 4, augmented by `write_keys`; `changes` are fields."""
    fields: dict[str, Any] = {
        "images": np.arange(50 * 12, dtype=np.uint8).reshape(50, 2, 2, 3),
        "labels": np.arange(50) % 5,
        "indices": np.arange(50),
        "seed": 3,
        "augment": write_keys,
        "classes": 5,
    }
    return TrainingImages(**(fields | changes))


def noise_images(transforms: tuple = DEFAULTS.augmentation.transforms, **changes: Any) -> TrainingImages:
    """230 images of noise, four fifths of them trained on, augmented as the recipe declares."""
    generator = np.random.default_rng(0)
    fields: dict[str, Any] = {
        "images": generator.integers(0, 256, (230, 16, 16, 3), np.uint8),
        "labels": generator.integers(0, 10, 230),
        "indices": np.flatnonzero(generator.random(230) < 0.8),
        "seed": 3,
        "augment": build_augmentation(transforms, (120.0, 121.0, 122.0)),
        "classes": 10,
    }
    return TrainingImages(**(fields | changes))


def sampler_of(images: TrainingImages, batch_size: int = 8, **changes: Any) -> TrainingSampler:
    """The sampler of the same indices and seed."""
    return TrainingSampler(indices=images.indices, seed=images.seed, batch_size=batch_size, **changes)
