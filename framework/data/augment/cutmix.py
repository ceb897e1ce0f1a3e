"""CutMix: a part of another training image pasted into one, with its share of the label (Yun et al. 2019)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from framework.data.augment.batch_transform import Params, Size, inside
from framework.seeding import mix_generator


@dataclass(frozen=True)
class CutMix:
    """With probability `p`, a box of uniformly distributed area about a uniform centre, as far as it is in the image.

    torchvision has this for a batch, with one box for all of its images and partners that depend on the batch; here
    both are functions of (seed, epoch, sample), as every draw is.
    """

    p: float

    def draw(self, seed: int, epoch: int, *, samples: int, trained: int, size: Size) -> Params:
        """For the samples 0 to `samples` - 1 of an epoch: the 'partner' of each and the 'part' that is pasted from it.

        A partner (samples,) is a place among the `trained` samples; a part (samples, 4) is left, top, right and bottom
        in pixels of an image of this size, and empty where nothing is pasted.
        """
        generator = mix_generator(seed, epoch)
        applies = generator.random(samples) < self.p
        partner = generator.integers(0, trained, samples)
        side = np.sqrt(generator.random(samples))[:, None]
        sides = np.array([size[1], size[0]])
        half = (side * sides / 2).astype(np.int64)
        centre = generator.integers(0, sides, (samples, 2))
        box = np.concatenate([np.maximum(centre - half, 0), np.minimum(centre + half, sides)], 1)
        box[~applies | (half == 0).any(1)] = 0
        return {"partner": partner, "part": box}

    def shares(self, boxes: Tensor, size: Size) -> Tensor:
        """The partners' shares of the labels (N,) in float32: those of the boxes (N, 4) in images of this size."""
        left, top, right, bottom = boxes.unbind(1)
        return ((right - left) * (bottom - top) / (size[0] * size[1])).float()

    def mix(self, images: Tensor, partners: Tensor, boxes: Tensor) -> Tensor:
        """The images (N, H, W, C) with their boxes taken from their partners, of the same shape."""
        return torch.where(inside(boxes[:, None], *images.shape[1:3])[..., None], partners, images)
