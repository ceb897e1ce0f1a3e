"""Mixup: a weighted mean of two training images and of their labels (Zhang et al. 2018)."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from framework.data.augment.batch_transform import Params, apply_where
from framework.seeding import mixup_generator


@dataclass(frozen=True)
class Mixup:
    """With probability `p`, another image with a weight of the distribution Beta(`alpha`, `alpha`).

    Labels become shares of the `classes`. torchvision has this for a batch, with one weight for all of its images; here
    partner and weight are functions of (seed, epoch, sample), as every draw is.
    """

    p: float
    alpha: float
    classes: int

    def __call__(
        self,
        samples: Tensor,
        augmented: Callable[[Tensor], Tensor],
        labels: Tensor,
        mixed: tuple[Tensor, Tensor],
        partner: Tensor,
        weight: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Images (N, H, W, C) and shares of the classes (N, classes) in float32, for samples (N,).

        `mixed` are the images and shares, or labels (N,), so far. `augmented` gives the images of any samples of the
        epoch; `labels`, `partner` and `weight` are of all samples.
        """
        images, targets = mixed
        own = targets if targets.ndim == 2 else one_hot(targets, self.classes).float()
        partners, weights = partner[samples], weight[samples]
        other = one_hot(labels[partners], self.classes).float()

        def blend(images: Tensor, partners: Tensor, weights: Tensor) -> Tensor:
            blended = torch.lerp(images.float(), augmented(partners).float(), weights[:, None, None, None])
            return blended.round().to(torch.uint8)

        return apply_where(weights > 0, blend, images, partners, weights), torch.lerp(own, other, weights[:, None])


@functools.lru_cache(maxsize=2)
def draw_mixup(p: float, alpha: float, seed: int, epoch: int, *, samples: int, trained: int) -> Params:
    """For the samples 0 to `samples` - 1 of an epoch: the 'partner' of each and its 'weight', 0 where nothing is mixed.

    A partner (samples,) is a place among the `trained` samples. Kept for the steps of the epoch to come.
    """
    generator = mixup_generator(seed, epoch)
    applies = generator.random(samples) < p
    partner = generator.integers(0, trained, samples)
    weight = generator.beta(alpha, alpha, samples).astype(np.float32)
    return {"partner": partner, "weight": np.where(applies, weight, np.float32(0))}
