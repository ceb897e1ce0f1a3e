"""What a transform has to offer to run on one image and on a batch with the same random parameters."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Params = dict[str, npt.NDArray[Any]]
"""Parameters by name, each (samples, ...)."""

Size = tuple[int, int]
"""Height and width of an image, in pixels."""


class BatchTransform(Protocol):
    """A transform whose random parameters are drawn apart from their use."""

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """The parameters for `samples` images, distributed as albumentations draws them."""

    def apply_one(self, image: npt.NDArray[np.uint8], params: Params) -> npt.NDArray[np.uint8]:
        """An image (H, W, C) changed by albumentations with the parameters of one sample, without their first axis."""

    def apply_batch(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """uint8 images (N, H, W, C) changed by tensor operations on their device, with the parameters there too."""


@runtime_checkable
class Resizing(Protocol):
    """A `BatchTransform` that gives images of another size has this too."""

    def resized(self, size: Size) -> Size:
        """The size of what becomes of an image of a size."""


def to_device(params: Params, device: torch.device) -> dict[str, Tensor]:
    """Parameters as tensors on a device."""
    return {name: torch.from_numpy(values).to(device) for name, values in params.items()}


def apply_where(changes: Tensor, change: Callable[..., Tensor], images: Tensor, *params: Tensor) -> Tensor:
    """`change(images, *params)`, which leaves an image as it is where `changes` (N,) is false.

    A CPU changes only the others. Another device would have to wait for their number, so it takes all.
    """
    if images.device.type != "cpu":
        return change(images, *params)
    chosen = changes.nonzero()[:, 0]
    return images.index_copy(0, chosen, change(images[chosen], *(values[chosen] for values in params)))


def fill_values(fill: Any, channels: int) -> list[int]:
    """A fill (one number, or one a channel) as whole grey levels; fractions are cut off, as albumentations does."""
    values: list[int] = np.broadcast_to(fill, channels).astype(int).tolist()
    return values


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Which pixels (N, height, width) lie in any of the boxes (N, K, 4) of left, top, right and bottom."""
    rows = torch.arange(height, device=boxes.device)[:, None]
    columns = torch.arange(width, device=boxes.device)
    left, top, right, bottom = boxes[..., None, None].unbind(2)
    return ((rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)).any(1)
