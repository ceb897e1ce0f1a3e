"""Shift, scale and rotation as one affine transform, with bilinear interpolation and a constant border."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from framework.data.augment.batch_transform import Params, Size, apply_where, fill_values


@dataclass(frozen=True)
class Affine:
    """With the probability of albumentations' `transform`, shift, scale and rotation drawn uniformly from its ranges.

    A shift is in whole pixels, drawn as such or cut off from a share of the image's side; factors are the same for both
    axes if the transform keeps the ratio; angles are in degrees.
    """

    transform: Any

    @classmethod
    def of(cls, transform: Any) -> "Affine | None":
        """What stands for an albumentations transform, None for a form that is not covered."""
        sheared = any(limit != 0 for axis in "xy" for limit in transform.shear[axis])
        other = transform.interpolation != cv2.INTER_LINEAR or transform.border_mode != cv2.BORDER_CONSTANT
        return None if sheared or other or transform.fit_output or transform.balanced_scale else cls(transform)

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """'applies' (samples,), and 'matrix' (samples, 2, 3) from pixels (x, y, 1) to pixels, else the identity."""
        transform = self.transform

        def uniform(limits: tuple[float, float]) -> npt.NDArray[np.float64]:
            return generator.uniform(*limits, size=samples)

        def shifts(axis: str, side: int) -> npt.NDArray[np.int64]:
            if transform.translate_px is not None:
                low, high = transform.translate_px[axis]
                return generator.integers(int(low), int(high) + 1, samples)
            shares = uniform(transform.translate_percent[axis] if transform.translate_percent else (0.0, 0.0))
            return (shares * side).astype(np.int64)

        applies = generator.random(samples) < transform.p
        shift = np.stack([shifts("x", size[1]), shifts("y", size[0])])
        scale = np.stack([uniform(transform.scale[axis]) for axis in "xy"])
        if transform.keep_ratio:
            scale[1] = scale[0]
        angle = np.deg2rad(uniform(transform.rotate))
        matrix = affine_matrices(shift, scale, angle, size)
        return {"applies": applies, "matrix": np.where(applies[:, None, None], matrix, np.eye(2, 3))}

    def apply_one(self, image: npt.NDArray[np.uint8], params: Params) -> npt.NDArray[np.uint8]:
        """The image, mapped by albumentations."""
        if not params["applies"]:
            return image
        matrix = np.vstack([params["matrix"], [0.0, 0.0, 1.0]])
        mapped: npt.NDArray[np.uint8] = self.transform.apply(image, matrix=matrix, output_shape=image.shape[:2])
        return mapped

    def apply_batch(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """The images, mapped; those that are not come out bit for bit as they were."""
        return apply_where(params["applies"], self._map, images, params["matrix"])

    def _map(self, images: Tensor, matrix: Tensor) -> Tensor:
        height, width, channels = images.shape[1:]
        values = fill_values(self.transform.fill, channels)
        fill = torch.tensor(values, dtype=torch.float32, device=images.device)
        pixels = (images.float() - fill).permute(0, 3, 1, 2)  # outside of the image, grid_sample reads zeros
        grid = sampling_grid(matrix, (height, width))
        mapped = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        return (mapped.permute(0, 2, 3, 1) + fill).round().clamp(0, 255).to(torch.uint8)


def affine_matrices(
    shift: npt.NDArray[Any], scale: npt.NDArray[np.float64], angle: npt.NDArray[np.float64], size: Size
) -> npt.NDArray[np.float64]:
    """Matrices (samples, 2, 3) that scale by (2, samples), rotate by radians (samples,), then shift by (2, samples).

    All about the middle of the image, (width / 2 - 0.5, height / 2 - 0.5), counterclockwise as seen, in pixels.
    """
    middle = np.array([size[1] / 2 - 0.5, size[0] / 2 - 0.5])
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.stack(
        [np.stack([cos * scale[0], sin * scale[1]], -1), np.stack([-sin * scale[0], cos * scale[1]], -1)], 1
    )
    offset = middle + shift.T - linear @ middle
    return np.concatenate([linear, offset[..., None]], 2)


def sampling_grid(matrix: Tensor, size: Size) -> Tensor:
    """Where in the image each pixel of the result comes from, (N, H, W, 2), for `grid_sample` with aligned corners.

    `matrix` (N, 2, 3) maps the image to the result and is inverted in its own precision.
    """
    height, width = size
    linear, offset = matrix[:, :, :2], matrix[:, :, 2:]
    (a, b), (c, d) = (row.unbind(1) for row in linear.unbind(1))
    inverse = torch.stack([d, -b, -c, a], 1).view(-1, 2, 2) / (a * d - b * c)[:, None, None]
    # Scaled first, so that each pixel costs one sum, of a row's share and a column's.
    half = torch.tensor([max(width - 1, 1) / 2, max(height - 1, 1) / 2], device=matrix.device, dtype=matrix.dtype)
    inverse = inverse / half[:, None]
    columns = torch.arange(width, device=matrix.device, dtype=matrix.dtype)[:, None] * inverse[:, None, :, 0]
    rows = torch.arange(height, device=matrix.device, dtype=matrix.dtype)[:, None] * inverse[:, None, :, 1]
    rows = rows - (inverse @ offset).transpose(1, 2) - 1
    return (rows[:, :, None] + columns[:, None]).float()
