"""A pipeline of transforms, its draws, and the two ways to run it: image by image, or on a batch on its device."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.data.augment.affine import Affine
from framework.data.augment.batch_transform import BatchTransform, Params, Size
from framework.data.augment.coarse_dropout import CoarseDropout
from framework.data.augment.horizontal_flip import HorizontalFlip
from framework.seeding import block_generator, sample_generators

BLOCK = 4096
"""Samples whose parameters are drawn together."""


class Augmentation:
    """A pipeline of albumentations' transforms, the calls that made them, and what these are really set to.

    Where every transform is a `BatchTransform` (`batched`), parameters come from a table: a function of (seed, epoch,
    sample), drawn in blocks of samples, which both ways of running share. Other transforms draw for themselves, from
    generators with the same keys, and run image by image alone.
    """

    def __init__(self, pipeline: Any, calls: tuple[dict[str, Any], ...], effective: tuple[dict[str, Any], ...]) -> None:
        self.pipeline = pipeline
        self.calls = calls
        self.effective = effective
        found = [_batch_transform(transform) for transform in pipeline.transforms]
        self.batch_transforms: tuple[BatchTransform, ...] | None = (
            None if None in found else tuple(transform for transform in found if transform)
        )
        self._blocks: dict[tuple[int, int, int, Size], list[Params]] = {}

    @property
    def batched(self) -> bool:
        """Whether all of the pipeline can run on a batch."""
        return self.batch_transforms is not None

    def __call__(self, image: npt.NDArray[np.uint8], *, seed: int, epoch: int, sample: int) -> npt.NDArray[np.uint8]:
        """The image (H, W, C) of this sample of this epoch, augmented; the keys decide every draw."""
        if self.batch_transforms is None:
            self.pipeline.set_random_state(*sample_generators(seed, epoch, sample))
            changed: npt.NDArray[np.uint8] = self.pipeline(image=image)["image"]
            return changed
        block, row = divmod(sample, BLOCK)
        for transform, params in zip(
            self.batch_transforms, self._block(seed, epoch, block, image.shape[:2]), strict=True
        ):
            image = transform.apply_one(image, {name: values[row] for name, values in params.items()})
        return image

    def table(self, *, seed: int, epoch: int, samples: int, size: Size) -> list[Params]:
        """The parameters of each transform for the samples 0 to `samples` - 1 of an epoch; only where `batched`."""
        blocks = [self._block(seed, epoch, block, size) for block in range(-(-samples // BLOCK))]
        return [
            {name: np.concatenate([part[name] for part in parts])[:samples] for name in parts[0]}
            for parts in zip(*blocks, strict=True)
        ]

    def apply_batch(self, images: Tensor, table: Sequence[dict[str, Tensor]], samples: Tensor) -> Tensor:
        """uint8 images (N, H, W, C) of some `samples` (N,) changed on their device, where the `table` is too."""
        assert self.batch_transforms is not None
        for transform, params in zip(self.batch_transforms, table, strict=True):
            images = transform.apply_batch(images, {name: values[samples] for name, values in params.items()})
        return images

    def _block(self, seed: int, epoch: int, block: int, size: Size) -> list[Params]:
        key = (seed, epoch, block, (int(size[0]), int(size[1])))
        if key not in self._blocks:
            for old in [old for old in self._blocks if not epoch - 1 <= old[1] <= epoch]:
                del self._blocks[old]
            assert self.batch_transforms is not None
            self._blocks[key] = [
                transform.draw(block_generator(seed, epoch, block, place), BLOCK, size)
                for place, transform in enumerate(self.batch_transforms)
            ]
        return self._blocks[key]


def on_device(table: Sequence[Params], device: torch.device) -> list[dict[str, Tensor]]:
    """A table of parameters as tensors on a device."""
    return [{name: torch.from_numpy(values).to(device) for name, values in params.items()} for params in table]


def _batch_transform(transform: Any) -> BatchTransform | None:
    return HorizontalFlip.of(transform) or Affine.of(transform) or CoarseDropout.of(transform)
