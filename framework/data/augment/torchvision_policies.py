"""torchvision's policies of several operations as transforms of albumentations' pipelines.

They draw from torch's global generator, which is seeded for every image, and left as it was.
"""

from typing import Any

import albumentations
import numpy as np
import numpy.typing as npt
import torch
from torchvision.transforms import v2


class TorchvisionPolicy(albumentations.ImageOnlyTransform):  # type: ignore[misc]
    """A transform of torchvision, `policy`, for uint8 images (H, W, C); its draws are those of a seed."""

    policy: v2.Transform

    def get_params(self) -> dict[str, Any]:
        """The seed of an image, from the pipeline's own generator."""
        return {"seed": self.py_random.getrandbits(63)}

    def apply(self, img: npt.NDArray[np.uint8], seed: int, **params: Any) -> npt.NDArray[np.uint8]:
        """The image, transformed by torchvision."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            changed = self.policy(torch.from_numpy(np.ascontiguousarray(img)).permute(2, 0, 1))
        return np.ascontiguousarray(changed.permute(1, 2, 0).numpy())


class RandAugment(TorchvisionPolicy):
    """`num_ops` operations of one magnitude (Cubuk et al. 2020)."""

    class InitSchema(albumentations.ImageOnlyTransform.InitSchema):  # type: ignore[misc]
        """The arguments, checked by pydantic."""

        num_ops: int
        magnitude: int
        num_magnitude_bins: int

    def __init__(self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins
        self.policy = v2.RandAugment(num_ops, magnitude, num_magnitude_bins)


class TrivialAugmentWide(TorchvisionPolicy):
    """One operation of a random magnitude (Mueller and Hutter 2021)."""

    class InitSchema(albumentations.ImageOnlyTransform.InitSchema):  # type: ignore[misc]
        """The arguments, checked by pydantic."""

        num_magnitude_bins: int

    def __init__(self, num_magnitude_bins: int = 31, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.num_magnitude_bins = num_magnitude_bins
        self.policy = v2.TrivialAugmentWide(num_magnitude_bins)


POLICIES = (RandAugment, TrivialAugmentWide)
