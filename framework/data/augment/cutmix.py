"""CutMix: a part of another training image pasted into one, with its share of the label (Yun et al. 2019)."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from framework.data.augment.batch_transform import Params, Size, apply_where, inside
from framework.seeding import mix_generator


@dataclass(frozen=True)
class CutMix:
    """With probability `p`, a box of uniformly distributed area about a uniform centre, as far as it is in the image.

    Labels become shares of the `classes`. torchvision has this for a batch, with one box for all of its images and
    partners that depend on the batch; here both are functions of (seed, epoch, sample), as every draw is.
    """

    p: float
    classes: int

    def __call__(
        self, samples: Tensor, augmented: Callable[[Tensor], Tensor], labels: Tensor, partner: Tensor, box: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mixed images (N, H, W, C) and their shares of the classes (N, classes) in float32, for samples (N,).

        `augmented` gives the images of any samples of the epoch; `labels`, `partner` and `box` are of all samples.
        """
        images, partners, boxes = augmented(samples), partner[samples], box[samples]
        height, width = images.shape[1:3]
        left, top, right, bottom = boxes.unbind(1)
        share = ((right - left) * (bottom - top) / (height * width)).float()[:, None]
        own, other = (one_hot(labels[each], self.classes).float() for each in (samples, partners))

        def paste(images: Tensor, boxes: Tensor, partners: Tensor) -> Tensor:
            return torch.where(inside(boxes[:, None], height, width)[..., None], augmented(partners), images)

        return apply_where(right > left, paste, images, boxes, partners), torch.lerp(own, other, share)


@functools.lru_cache(maxsize=2)
def draw_cutmix(p: float, seed: int, epoch: int, *, samples: int, trained: int, size: Size) -> Params:
    """For the samples 0 to `samples` - 1 of an epoch: the 'partner' of each and the 'box' that is pasted from it.

    A partner (samples,) is a place among the `trained` samples; a box (samples, 4) is left, top, right and bottom in
    pixels of an image of this size, and empty where nothing is pasted. Kept for the steps of the epoch to come.
    """
    generator = mix_generator(seed, epoch)
    applies = generator.random(samples) < p
    partner = generator.integers(0, trained, samples)
    side = np.sqrt(generator.random(samples))[:, None]
    sides = np.array([size[1], size[0]])
    half = (side * sides / 2).astype(np.int64)
    centre = generator.integers(0, sides, (samples, 2))
    box = np.concatenate([np.maximum(centre - half, 0), np.minimum(centre + half, sides)], 1)
    box[~applies | (half == 0).any(1)] = 0
    return {"partner": partner, "box": box}
