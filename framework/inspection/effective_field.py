"""The effective receptive field: how much of the theoretical one carries weight.

Luo et al. 2016, Understanding the Effective Receptive Field in Deep Convolutional Neural Networks: the gradient of the
middle of the last feature map with respect to the pixels, averaged over images (section 2), and as its size the square
root of the number of pixels above 1 - 95.45 % of the largest (section 3.1).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from framework.inspection.last_feature_map import run_to_last_feature_map

THRESHOLD = 1 - 0.9545
"""The share of the largest weight above which a pixel counts: two standard deviations of a Gaussian."""


@dataclass(frozen=True)
class EffectiveField:
    """`weights` (H, W) are mean absolute gradients over the largest of them; `theoretical` is (height, width).

    `centre` is the pixel (row, column) in the middle of the theoretical field.
    """

    weights: npt.NDArray[np.float64]
    theoretical: tuple[int, int]
    centre: tuple[float, float]

    @property
    def size(self) -> float:
        """The side, in pixels, of a square of as many pixels as carry weight."""
        return float(np.sqrt((self.weights > THRESHOLD).sum()))

    @property
    def share(self) -> float:
        """`size` over the side of the theoretical field."""
        return self.size / float(np.sqrt(np.prod(self.theoretical)))


def effective_field(model: nn.Module, images: Tensor) -> EffectiveField:
    """The effective field of `model` at the middle of its last feature map, for normalised images (N, C, H, W).

    Images smaller than the theoretical field cut the effective one off: see `mirrored`. Raises EmberfieldError as
    `run_to_last_feature_map` does.
    """
    pixels = images.detach().clone().requires_grad_()
    feature_map, _, field = run_to_last_feature_map(model, pixels)
    row, column = feature_map.shape[2] // 2, feature_map.shape[3] // 2
    (gradient,) = torch.autograd.grad(feature_map[:, :, row, column].sum(), pixels)
    weights = gradient.abs().mean((0, 1)).double().cpu().numpy()
    centre = (field.offset[0] + float(field.jump[0]) * row, field.offset[1] + float(field.jump[1]) * column)
    return EffectiveField(weights / max(float(weights.max()), np.finfo(float).tiny), field.size, centre)


def mirrored(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (N, C, H, W) continued by their mirror images on all sides to at least `size`, a multiple of their own.

    The multiple is odd, so that the image itself stays in the middle.
    """
    sides = zip(images.shape[2:], size, strict=True)
    margins = [max(0, -(-(least - side) // (2 * side))) * side for side, least in sides]
    padded = np.pad(images.cpu().numpy(), [(0, 0), (0, 0), *((each, each) for each in margins)], "symmetric")
    return torch.from_numpy(padded).to(images.device)
