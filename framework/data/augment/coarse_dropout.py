"""Coarse dropout: rectangles of an image filled with a colour (DeVries and Taylor 2017, Cutout)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.data.augment.batch_transform import Params, Size, apply_where, fill_values, inside
from framework.errors import EmberfieldError


def require_holes_fit(transform: Any, size: Size) -> None:
    """Raises EmberfieldError if even the smallest hole of albumentations' `transform` is larger than an image.

    A range that only ends beyond the image is cut to it, as albumentations does.
    """
    limits = (transform.hole_height_range, transform.hole_width_range)
    for way, (least, most), side in zip(("high", "wide"), limits, size, strict=True):
        if limits[0][1] >= 1 and least > side:
            raise EmberfieldError(
                f"CoarseDropout's hole of {least:g} to {most:g} pixels does not fit in an image {side} pixels {way}: "
                "take smaller holes, or a larger --image-size"
            )


@dataclass(frozen=True)
class CoarseDropout:
    """As many holes of as large sides as the ranges of albumentations' `transform` say, with its probability.

    Sides are in pixels, inclusive, if the range of the height ends at 1 or above; else they are shares of the image's.
    """

    transform: Any

    @classmethod
    def of(cls, transform: Any) -> "CoarseDropout | None":
        """What stands for an albumentations transform, None if its fill is itself random."""
        return None if isinstance(transform.fill, str) else cls(transform)

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """'holes' (samples, most, 4): left, top, right and bottom; holes that are not there are empty."""
        fewest, most = self.transform.num_holes_range
        in_pixels = self.transform.hole_height_range[1] >= 1

        def sides(limits: tuple[float, float], side: int) -> npt.NDArray[np.int64]:
            if in_pixels:
                return generator.integers(int(limits[0]), int(min(limits[1], side) + 1), (samples, most))
            return (side * generator.uniform(*limits, size=(samples, most))).astype(np.int64)

        applies = generator.random(samples) < self.transform.p
        count = generator.integers(fewest, most + 1, samples)
        heights = sides(self.transform.hole_height_range, size[0])
        widths = sides(self.transform.hole_width_range, size[1])
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
        holes = params["holes"]
        return apply_where((holes[..., 2] > holes[..., 0]).any(1), self._cut, images, holes)

    def _cut(self, images: Tensor, holes: Tensor) -> Tensor:
        height, width, channels = images.shape[1:]
        fill = images.new_tensor(fill_values(self.transform.fill, channels))
        return torch.where(inside(holes, height, width)[..., None], fill, images)
