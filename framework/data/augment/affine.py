"""Shift, scale and rotation as one affine map, with bilinear interpolation and a constant border."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from framework.data.augment.batch_transform import Params, Size, pixel_values

LINEAR, CONSTANT = 1, 0
"""OpenCV's numbers for bilinear interpolation and a constant border."""


@dataclass(frozen=True)
class Affine:
    """With probability `p`, an affine map whose parameters are drawn uniformly from ranges, each along x and y.

    `shift` is a range of shares of the image's side, cut off to whole pixels, or of pixels with `shift_in_pixels`;
    `scale` a range of factors, the same for both axes with `keep_ratio`; `rotation` a range of degrees.
    """

    p: float
    shift: tuple[tuple[float, float], tuple[float, float]]
    shift_in_pixels: bool
    scale: tuple[tuple[float, float], tuple[float, float]]
    keep_ratio: bool
    rotation: tuple[float, float]
    fill: float | tuple[float, ...]
    transform: Any

    @classmethod
    def of(cls, transform: Any) -> "Affine | None":
        """What stands for an albumentations transform, None for another one or a form that is not covered."""
        if type(transform).__name__ not in ("Affine", "ShiftScaleRotate"):
            return None
        sheared = any(limit != 0 for axis in "xy" for limit in transform.shear[axis])
        other = transform.interpolation != LINEAR or transform.border_mode != CONSTANT
        if sheared or other or transform.fit_output or transform.balanced_scale:
            return None
        pixels = transform.translate_px
        shift = pixels if pixels is not None else transform.translate_percent or {"x": (0, 0), "y": (0, 0)}
        fill = tuple(transform.fill) if np.ndim(transform.fill) else float(transform.fill)
        return cls(
            transform.p,
            (tuple(shift["x"]), tuple(shift["y"])),
            pixels is not None,
            (tuple(transform.scale["x"]), tuple(transform.scale["y"])),
            transform.keep_ratio,
            tuple(transform.rotate),
            fill,
            transform,
        )

    def draw(self, generator: np.random.Generator, samples: int, size: Size) -> Params:
        """'warps' (samples,), and 'matrix' (samples, 2, 3) from pixels (x, y, 1) to pixels, the identity elsewhere."""
        warps = generator.random(samples) < self.p
        sides = size[::-1]
        if self.shift_in_pixels:
            shift = np.stack([generator.integers(int(low), int(high) + 1, samples) for low, high in self.shift])
        else:
            shares = [generator.uniform(*limits, size=samples) for limits in self.shift]
            shift = np.stack([(share * side).astype(np.int64) for share, side in zip(shares, sides, strict=True)])
        scale = np.stack([generator.uniform(*limits, size=samples) for limits in self.scale])
        if self.keep_ratio:
            scale[1] = scale[0]
        angle = np.deg2rad(generator.uniform(*self.rotation, size=samples))
        matrix = affine_matrices(shift, scale, angle, size)
        return {"warps": warps, "matrix": np.where(warps[:, None, None], matrix, np.eye(2, 3))}

    def apply_one(self, image: npt.NDArray[np.uint8], params: Params) -> npt.NDArray[np.uint8]:
        """The image, mapped by albumentations."""
        if not params["warps"]:
            return image
        matrix = np.vstack([params["matrix"], [0.0, 0.0, 1.0]])
        mapped: npt.NDArray[np.uint8] = self.transform.apply(image, matrix=matrix, output_shape=image.shape[:2])
        return mapped

    def apply_batch(self, images: Tensor, params: dict[str, Tensor]) -> Tensor:
        """The images, mapped; those that are not come out bit for bit as they were."""
        if images.device.type != "cpu":
            return self._map(images, params["matrix"])
        # To choose rows would make another device wait; here it saves the arithmetic of the others.
        chosen = params["warps"].nonzero()[:, 0]
        return images.index_copy(0, chosen, self._map(images[chosen], params["matrix"][chosen]))

    def _map(self, images: Tensor, matrix: Tensor) -> Tensor:
        height, width, channels = images.shape[1:]
        fill = torch.tensor(pixel_values(self.fill, channels), dtype=torch.float32, device=images.device)
        pixels = (images.float() - fill).permute(0, 3, 1, 2)  # outside of the image, grid_sample reads zeros
        grid = sampling_grid(matrix, (height, width))
        mapped = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        return (mapped.permute(0, 2, 3, 1) + fill).round().clamp(0, 255).to(torch.uint8)


def affine_matrices(
    shift: npt.NDArray[Any], scale: npt.NDArray[np.float64], angle: npt.NDArray[np.float64], size: Size
) -> npt.NDArray[np.float64]:
    """Maps (samples, 2, 3) that scale by (2, samples), turn by radians (samples,), then shift by (2, samples) pixels.

    All about the middle of the image, (width / 2 - 0.5, height / 2 - 0.5). The turn is counterclockwise as seen.
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
    (a, b), (c, d) = linear.unbind(1)[0].unbind(1), linear.unbind(1)[1].unbind(1)
    inverse = torch.stack([d, -b, -c, a], 1).view(-1, 2, 2) / (a * d - b * c)[:, None, None]
    # Scaled first, so that the sum of a row's and a column's share is all that is left to do at each place.
    half = torch.tensor([max(width - 1, 1) / 2, max(height - 1, 1) / 2], device=matrix.device, dtype=matrix.dtype)
    inverse = inverse / half[:, None]
    columns = torch.arange(width, device=matrix.device, dtype=matrix.dtype)[:, None] * inverse[:, None, :, 0]
    rows = torch.arange(height, device=matrix.device, dtype=matrix.dtype)[:, None] * inverse[:, None, :, 1]
    rows = rows - (inverse @ offset).transpose(1, 2) - 1
    return (rows[:, :, None] + columns[:, None]).float()
