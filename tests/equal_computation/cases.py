"""What both trees train: a few short trainings on digits, described by the setting names of commit edbacf6."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PRECISIONS = ("float32", "bfloat16")

EPOCHS, EPOCH_LENGTH, BATCH_SIZE = 2, 25, 32
TRAINING_IMAGES = EPOCH_LENGTH * BATCH_SIZE + 20
"""Not a multiple of the batch size: each epoch drops the last 20 images of its order."""

HELD_OUT_IMAGES, TEST_IMAGES = 100, 100

DROPOUT_NETWORK = "networks:dropout"
"""Imported by path, from the folder of this file, whatever tree is on the import path."""

PUBLISHED = (
    "c1c2c3c40",
    "c1c2c3c40_mirror",
    "c1c2c3c40_quick",
    "c1c2c3c40_gated_mirror",
    "c1c2c3c40_gated_mirror_small",
)
"""Architectures whose published weights have to give the same logits."""

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Case:
    """A training that both trees run; `settings` change the recipe's defaults by name."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1


_DROPOUT = {"arch": DROPOUT_NETWORK, "unconstrained": True, "lr": 0.01, "optimizer": "adamw", "clip_norm": 1.0}

CASES: dict[str, Case] = {
    "default": Case(),
    "muon": Case(
        {
            **{"optimizer": "muon", "lr": 0.4, "kernel_lr": 0.05, "kernel_weight_decay": 0.01, "ema_decay": 0.9},
            **{"cutmix": 0.5, "teacher": ("c1c2c3c40_mirror",), "teacher_weight": 0.8, "temperature": 3.0},
        }
    ),
    "workers": Case({"workers": 2, "augment_on": "cpu"}),
    "processes": Case(processes=2),
    "dropout": Case({**_DROPOUT, "cutmix": 0.5, "on_nonfinite": "skip"}),
    "dropout-processes": Case(_DROPOUT, processes=2),
}
"""The recipe as it is, its record's ingredients, each way to feed it, and dropout, drawn from a seed for each step.

Those of dropout also have another optimizer, clipped gradients and the undoing of a step that is not finite.
"""

CONTROL = "dropout"
"""The fastest case that draws everything: split, first weights, order, augmentation, CutMix and dropout."""


def settings_of(case: str, precision: str, data: Path) -> dict[str, Any]:
    """The settings of a case in one precision, on the images at `data` (see `write_images`)."""
    fixed = {
        **{"data": str(data), "device": "cpu", "precision": precision, "seed": 3, "holdout": HELD_OUT_IMAGES},
        **{"epochs": EPOCHS, "batch_size": BATCH_SIZE, "checkpoint_every": "1000"},
    }
    return fixed | dict(CASES[case].settings)


def write_images(path: Path) -> None:
    """Writes handwritten digits as a .npz file, under CIFAR-10's class names so that published networks can teach."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.repeat(np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None], 3, axis=3)
    labels = digits.target.astype(np.int64)
    whole = TRAINING_IMAGES + HELD_OUT_IMAGES
    train, test = slice(0, whole), slice(whole, whole + TEST_IMAGES)
    np.savez(
        path,
        **{"x_train": images[train], "y_train": labels[train], "x_test": images[test], "y_test": labels[test]},
        class_names=np.array(CIFAR10_CLASSES),
    )
