"""Padding, and a crop at a random place: together a random shift of the image (He et al. 2016, section 4.2)."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.data.augment.batch_transform import Params, Size, fill_values


@dataclass(frozen=True)
class Pad:
    """The margins of albumentations' `transform`, Pad or PadIfNeeded, which always applies."""

    transform: Any

    @classmethod
    def of(cls, transform: Any) -> "Pad | None":
        """What stands for an albumentations transform, None for a form that is not covered."""
        centred = getattr(transform, "position", "center") == "center"
        return cls(transform) if centred and transform.border_mode == cv2.BORDER_CONSTANT and transform.p == 1 else None

    def margins(self, size: Size) -> tuple[int, int, int, int]:
        """Those at the top, bottom, left and right of an image, in pixels."""
        found = self.transform.get_params_dependent_on_data({"shape": (*size, 1)}, {})
        return found["pad_top"], found["pad_bottom"], found["pad_left"], found["pad_right"]

    def resized(self, size: Size) -> Size:
        """The size of a padded image."""
        top, bottom, left, right = self.margins(size)
        return size[0] + top + bottom, size[1] + left + right

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """Nothing is random."""
        return {}

    def apply_one(self, image: npt.NDArray[np.uint8], params: Params) -> npt.NDArray[np.uint8]:
        """The image, padded by albumentations."""
        names = ("pad_top", "pad_bottom", "pad_left", "pad_right")
        margins = dict(zip(names, self.margins(image.shape[:2]), strict=True))
        padded: npt.NDArray[np.uint8] = self.transform.apply(image, **margins)
        return padded.reshape(*padded.shape[:2], image.shape[2])

    def apply_batch(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """The images, padded."""
        number, height, width, channels = images.shape
        top, _, left, _ = self.margins((height, width))
        fill = images.new_tensor(fill_values(self.transform.fill, channels))
        padded = fill.expand(number, *self.resized((height, width)), channels).clone()
        padded[:, top : top + height, left : left + width] = images
        return padded


@dataclass(frozen=True)
class RandomCrop:
    """A part of the height and width of albumentations' `transform`, all its places equally likely."""

    transform: Any

    @classmethod
    def of(cls, transform: Any) -> "RandomCrop | None":
        """What stands for an albumentations transform, None for a form that is not covered."""
        return cls(transform) if transform.p == 1 and not transform.pad_if_needed else None

    def resized(self, size: Size) -> Size:
        """The size of a part."""
        return self.transform.height, self.transform.width

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """'top' and 'left' (samples,): the first row and column of the part."""
        top, left = (
            generator.integers(0, side - part + 1, samples) for side, part in zip(size, self.resized(size), strict=True)
        )
        return {"top": top, "left": left}

    def apply_one(self, image: npt.NDArray[np.uint8], params: Params) -> npt.NDArray[np.uint8]:
        """The part of the image."""
        (top, left), (height, width) = (params["top"], params["left"]), self.resized((0, 0))
        return np.ascontiguousarray(image[top : top + height, left : left + width])

    def apply_batch(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """The parts of the images."""
        height, width = self.resized((0, 0))
        number = torch.arange(len(images), device=images.device)[:, None, None]
        rows = params["top"][:, None] + torch.arange(height, device=images.device)
        columns = params["left"][:, None] + torch.arange(width, device=images.device)
        return images[number, rows[:, :, None], columns[:, None]]
