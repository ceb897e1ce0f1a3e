"""What a transform has to offer to run on one image and on a batch with the same random parameters."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Params = dict[str, npt.NDArray[Any]]
"""Parameters by name, each (samples, ...)."""

Size = tuple[int, int]
"""Height and width of an image, in pixels."""


class BatchTransform(Protocol):
    """A transform whose random parameters are drawn apart from its arithmetic."""

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """The parameters for `samples` images, distributed as albumentations draws them."""

    def apply_one(self, image: npt.NDArray[np.uint8], params: Params) -> npt.NDArray[np.uint8]:
        """An image (H, W, C) changed by albumentations with the parameters of one sample, without their first axis."""

    def apply_batch(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """uint8 images (N, H, W, C) changed by tensor operations on their device, with the parameters there too."""


def pixel_values(fill: float | tuple[float, ...], channels: int) -> list[int]:
    """A fill as whole grey levels, one a channel; fractions are cut off, as albumentations does."""
    values = list(fill) if isinstance(fill, tuple | list) else [fill] * channels
    return [int(value) for value in values]


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Which pixels (N, height, width) lie in any of the boxes (N, K, 4) of left, top, right and bottom."""
    rows = torch.arange(height, device=boxes.device)[:, None]
    columns = torch.arange(width, device=boxes.device)
    left, top, right, bottom = boxes[..., None, None].unbind(2)
    return ((rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)).any(1)
