"""Mixup: a weighted mean of two training images and of their labels (Zhang et al. 2018)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from framework.data.augment.batch_transform import Params, Size
from framework.seeding import mixup_generator


@dataclass(frozen=True)
class Mixup:
    """With probability `p`, another image with a weight of the distribution Beta(`alpha`, `alpha`).

    torchvision has this for a batch, with one weight for all of its images; here partner and weight are functions of
    (seed, epoch, sample), as every draw is.
    """

    p: float
    alpha: float

    def draw(self, seed: int, epoch: int, *, samples: int, trained: int, size: Size) -> Params:
        """For the samples 0 to `samples` - 1 of an epoch: the 'partner' of each and its 'part', a weight.

        A partner (samples,) is a place among the `trained` samples; a weight (samples,) is 0 where nothing is mixed.
        """
        generator = mixup_generator(seed, epoch)
        applies = generator.random(samples) < self.p
        partner = generator.integers(0, trained, samples)
        weight = generator.beta(self.alpha, self.alpha, samples).astype(np.float32)
        return {"partner": partner, "part": np.where(applies, weight, np.float32(0))}

    def shares(self, weights: Tensor, size: Size) -> Tensor:
        """The partners' shares of the labels (N,) in float32: the weights."""
        return weights

    def mix(self, images: Tensor, partners: Tensor, weights: Tensor) -> Tensor:
        """The images (N, H, W, C) blended with their partners, of the same shape, by the weights (N,)."""
        blended = torch.lerp(images.float(), partners.float(), weights[:, None, None, None])
        return blended.round().to(torch.uint8)
