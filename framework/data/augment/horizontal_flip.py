"""The horizontal flip."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.data.augment.batch_transform import Params, Size


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirrors an image, with the probability of albumentations' `transform`, or as `AlternatingFlip` does."""

    transform: Any

    @property
    def alternates(self) -> bool:
        """Whether an image is mirrored in every other epoch."""
        return type(self.transform).__name__ == "AlternatingFlip"

    def alternated(self, params: Params, epoch: int) -> Params:
        """The parameters of an epoch, counted from 0, from those of the first: the reverse in an odd one."""
        return {"flip": params["flip"] ^ bool(epoch % 2)}

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """'flip' (samples,): whether to mirror."""
        return {"flip": generator.random(samples) < self.transform.p}

    def apply_one(self, image: npt.NDArray[np.uint8], params: Params) -> npt.NDArray[np.uint8]:
        """The image, mirrored if it is to be."""
        return np.ascontiguousarray(image[:, ::-1]) if params["flip"] else image

    def apply_batch(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """The images, mirrored where they are to be."""
        return torch.where(params["flip"][:, None, None, None], images.flip(2), images)
