"""Augmentation: declared by name, drawn once for each sample of an epoch, applied to one image or to whole batches."""

from framework.data.augment.augmentation import Augmentation
from framework.data.augment.from_albumentations import build_augmentation

__all__ = ["Augmentation", "build_augmentation"]
