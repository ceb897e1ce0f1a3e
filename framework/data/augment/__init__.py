"""Augmentation: declared by name, drawn once for each sample of an epoch, applied to one image or to whole batches."""

from framework.data.augment.augmentation import Augmentation
from framework.data.augment.from_albumentations import build_augmentation
from framework.data.augment.trial import require_same_format

__all__ = ["Augmentation", "build_augmentation", "require_same_format"]
