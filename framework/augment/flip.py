"""The horizontal flip."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.augment.plan import Drawn, Size


@dataclass(frozen=True)
class Flip:
    """Mirrors an image with probability `p`."""

    p: float

    @classmethod
    def of(cls, transform: Any) -> "Flip | None":
        """The plan of an albumentations transform, None for another one."""
        return cls(transform.p) if type(transform).__name__ == "HorizontalFlip" else None

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Drawn:
        """'flip' (samples,): whether to mirror."""
        return {"flip": generator.random(samples) < self.p}

    def apply_one(self, image: npt.NDArray[np.uint8], drawn: Drawn) -> npt.NDArray[np.uint8]:
        """The image, mirrored if it is to be."""
        return np.ascontiguousarray(image[:, ::-1]) if drawn["flip"] else image

    def apply_batch(self, images: Tensor, drawn: dict[str, Tensor]) -> Tensor:
        """The images, mirrored where they are to be."""
        return torch.where(drawn["flip"][:, None, None, None], images.flip(2), images)
