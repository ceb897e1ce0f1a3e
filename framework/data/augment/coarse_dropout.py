"""Coarse dropout: rectangles of an image filled with a colour (DeVries and Taylor 2017, Cutout)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.data.augment.batch_transform import Params, Size, inside, pixel_values


@dataclass(frozen=True)
class CoarseDropout:
    """With probability `p`, a number of holes from `count` (inclusive), each of a height and width from their ranges.

    Ranges that end at 1 or above are pixels, inclusive; below 1 they are shares of the image's side.
    """

    p: float
    count: tuple[int, int]
    height: tuple[float, float]
    width: tuple[float, float]
    fill: float | tuple[float, ...]
    transform: Any

    @classmethod
    def of(cls, transform: Any) -> "CoarseDropout | None":
        """What stands for an albumentations transform, None for another one or a fill that is itself random."""
        if type(transform).__name__ != "CoarseDropout" or isinstance(transform.fill, str):
            return None
        fill = tuple(transform.fill) if np.ndim(transform.fill) else float(transform.fill)
        return cls(
            transform.p,
            tuple(transform.num_holes_range),
            tuple(transform.hole_height_range),
            tuple(transform.hole_width_range),
            fill,
            transform,
        )

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """'holes' (samples, most, 4): left, top, right and bottom; holes that are not there are empty."""
        most = self.count[1]
        applies = generator.random(samples) < self.p
        count = generator.integers(self.count[0], most + 1, samples)
        heights = _lengths(generator, self.height, size[0], (samples, most), in_pixels=self.height[1] >= 1)
        widths = _lengths(generator, self.width, size[1], (samples, most), in_pixels=self.height[1] >= 1)
        top = generator.integers(0, size[0] - heights + 1)
        left = generator.integers(0, size[1] - widths + 1)
        holes = np.stack([left, top, left + widths, top + heights], -1)
        there = applies[:, None] & (np.arange(most) < count[:, None])
        return {"holes": np.where(there[..., None], holes, 0)}

    def apply_one(self, image: npt.NDArray[np.uint8], params: Params) -> npt.NDArray[np.uint8]:
        """The image with its holes, cut by albumentations."""
        holes = params["holes"]
        there = holes[holes[:, 2] > holes[:, 0]]
        if not len(there):
            return image
        cut: npt.NDArray[np.uint8] = self.transform.apply(image, holes=there, seed=0)
        return cut

    def apply_batch(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """The images with their holes."""
        if images.device.type != "cpu":
            return self._cut(images, params["holes"])
        # As in `Affine`: another device would wait for the choice.
        chosen = (params["holes"][..., 2] > params["holes"][..., 0]).any(1).nonzero()[:, 0]
        return images.index_copy(0, chosen, self._cut(images[chosen], params["holes"][chosen]))

    def _cut(self, images: Tensor, holes: Tensor) -> Tensor:
        height, width, channels = images.shape[1:]
        fill = images.new_tensor(pixel_values(self.fill, channels))
        return torch.where(inside(holes, height, width)[..., None], fill, images)


def _lengths(
    generator: np.random.Generator, limits: tuple[float, float], side: int, shape: tuple[int, int], *, in_pixels: bool
) -> npt.NDArray[np.int64]:
    if in_pixels:
        return generator.integers(int(limits[0]), int(min(limits[1], side) + 1), shape)
    return (side * generator.uniform(*limits, size=shape)).astype(np.int64)
