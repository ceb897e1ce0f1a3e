"""A pipeline of transforms, its draws, and the two ways to run it: image by image, or on a batch on its device."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.augment.flip import Flip
from framework.augment.holes import Holes
from framework.augment.plan import Drawn, Plan, Size
from framework.augment.warp import Warp
from framework.randomness import block_generator, sample_generators

BLOCK = 4096
"""Samples whose parameters are drawn together."""


class Augmentation:
    """A pipeline of albumentations' transforms, the calls that made them, and what these are really set to.

    Where every transform has a plan (`batched`), parameters come from a table: a function of (seed, epoch, sample),
    drawn in blocks of samples, which both ways of running share. Other transforms draw for themselves, from generators
    with the same keys, and run image by image alone.
    """

    def __init__(self, pipeline: Any, calls: tuple[dict[str, Any], ...], effective: tuple[dict[str, Any], ...]) -> None:
        self.pipeline = pipeline
        self.calls = calls
        self.effective = effective
        plans = [_plan(transform) for transform in pipeline.transforms]
        self.plans: tuple[Plan, ...] | None = None if None in plans else tuple(plan for plan in plans if plan)
        self._blocks: dict[tuple[int, int, int, Size], list[Drawn]] = {}

    @property
    def batched(self) -> bool:
        """Whether all of the pipeline can run on a batch."""
        return self.plans is not None

    def __call__(self, image: npt.NDArray[np.uint8], *, seed: int, epoch: int, sample: int) -> npt.NDArray[np.uint8]:
        """The image (H, W, C) as this sample of this epoch sees it; the keys decide every draw."""
        if self.plans is None:
            self.pipeline.set_random_state(*sample_generators(seed, epoch, sample))
            changed: npt.NDArray[np.uint8] = self.pipeline(image=image)["image"]
            return changed
        block, row = divmod(sample, BLOCK)
        for plan, drawn in zip(self.plans, self._block(seed, epoch, block, image.shape[:2]), strict=True):
            image = plan.apply_one(image, {name: values[row] for name, values in drawn.items()})
        return image

    def table(self, *, seed: int, epoch: int, samples: int, size: Size) -> list[Drawn]:
        """The parameters of each transform for the samples 0 to `samples` - 1 of an epoch; only where `batched`."""
        blocks = [self._block(seed, epoch, block, size) for block in range(-(-samples // BLOCK))]
        return [
            {name: np.concatenate([part[name] for part in parts])[:samples] for name in parts[0]}
            for parts in zip(*blocks, strict=True)
        ]

    def apply_batch(self, images: Tensor, table: Sequence[dict[str, Tensor]], samples: Tensor) -> Tensor:
        """uint8 images (N, H, W, C) of some `samples` (N,) changed on their device, where the `table` is too."""
        assert self.plans is not None
        for plan, drawn in zip(self.plans, table, strict=True):
            images = plan.apply_batch(images, {name: values[samples] for name, values in drawn.items()})
        return images

    def _block(self, seed: int, epoch: int, block: int, size: Size) -> list[Drawn]:
        key = (seed, epoch, block, (int(size[0]), int(size[1])))
        if key not in self._blocks:
            for old in [old for old in self._blocks if not epoch - 1 <= old[1] <= epoch]:
                del self._blocks[old]
            assert self.plans is not None
            self._blocks[key] = [
                plan.draw(block_generator(seed, epoch, block, place), BLOCK, size)
                for place, plan in enumerate(self.plans)
            ]
        return self._blocks[key]


def on_device(table: Sequence[Drawn], device: torch.device) -> list[dict[str, Tensor]]:
    """A table of parameters as tensors on a device."""
    return [{name: torch.from_numpy(values).to(device) for name, values in drawn.items()} for drawn in table]


def _plan(transform: Any) -> Plan | None:
    return Flip.of(transform) or Warp.of(transform) or Holes.of(transform)
