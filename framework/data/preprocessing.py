"""From an image of any size to a square of a network's size: the one way of training, evaluation and prediction."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from framework.config.declaration import parse_color
from framework.config.sections import FITS
from framework.data.image_data import Images
from framework.run.environment import process_rank

logger = logging.getLogger(__name__)

DEFAULT_SIZE = 32
"""Height and width in pixels where neither the user nor the images say one."""


@dataclass(frozen=True)
class Preprocessing:
    """Height and width in pixels, what becomes of images that are not square, and of transparent pixels.

    Without an `image_size`, images that are all square and of one size keep it, and others become DEFAULT_SIZE.
    `fit` 'stretch' changes the proportions, 'crop' keeps the middle, 'pad' adds margins. Transparent pixels are
    composited on the `background`, a color as `parse_color` takes it, which also fills the margins; None leaves
    transparency out, as runs did that were trained before there was a background.
    """

    image_size: int | None
    fit: str = "stretch"
    background: str | None = "white"

    @property
    def size(self) -> int:
        """Height and width of images that do not keep their own."""
        return self.image_size or DEFAULT_SIZE

    def with_size(self, size: int = DEFAULT_SIZE) -> "Preprocessing":
        """The same with an image size, which is `size` if none was set."""
        return replace(self, image_size=self.image_size or size)

    @property
    def color(self) -> tuple[int, int, int]:
        """The background as red, green and blue."""
        return parse_color(self.background or "white")


def fit_image(image: Images, preprocessing: Preprocessing) -> Images:
    """An image (H, W, C) as (size, size, C): averaged where it shrinks, bilinear where it grows."""
    assert preprocessing.fit in FITS, preprocessing.fit
    height, width, channels = image.shape
    size, short, long = preprocessing.size, min(height, width), max(height, width)
    if preprocessing.fit == "crop":
        top, left = (height - short) // 2, (width - short) // 2
        image = image[top : top + short, left : left + short]
    if preprocessing.fit != "pad" or height == width:
        return _resized(image, size, size, shrinks=size < short)
    inner_height, inner_width = (max(1, round(side * size / long)) for side in (height, width))
    top, left = (size - inner_height) // 2, (size - inner_width) // 2
    canvas = np.full((size, size, channels), _levels(preprocessing.color, channels), np.uint8)
    inner = _resized(image, inner_height, inner_width, shrinks=size < long)
    canvas[top : top + inner_height, left : left + inner_width] = inner
    return canvas


def fit_images(images: Images, preprocessing: Preprocessing) -> Images:
    """Images (N, H, W, C) as (N, size, size, C); unchanged, and not copied, if they have or keep the size."""
    height, width = images.shape[1:3]
    if height == width and preprocessing.image_size in (None, height):
        return images
    return np.stack([fit_image(np.asarray(image), preprocessing) for image in images])


def composite(rgba: Images, color: Sequence[int]) -> Images:
    """Red, green, blue and alpha (H, W, 4) over a color, as (H, W, 3): 'over' of Porter and Duff 1984, rounded."""
    alpha = rgba[..., 3:].astype(np.uint32)
    under = np.asarray(color, np.uint32)
    return ((rgba[..., :3] * alpha + under * (255 - alpha) + 127) // 255).astype(np.uint8)


def log_resizing(name: str, images: int, resized: int, not_square: int, preprocessing: Preprocessing) -> None:
    """Logs, in the main process, how many of a data set's `images` are resized, if any are, and how many not square."""
    if not resized or process_rank() != 0:
        return
    size = preprocessing.size
    how = {
        "stretch": "stretched: --fit crop or --fit pad would keep their proportions",
        "crop": "cropped to their middle (--fit crop)",
        "pad": f"padded with {preprocessing.background} (--fit pad)",
    }
    shape = f"; {not_square:,} are not square, and are {how[preprocessing.fit]}" if not_square else ""
    logger.info(
        "%s: %s of %s images are resized to %dx%d pixels%s", name, f"{resized:,}", f"{images:,}", size, size, shape
    )


def _resized(image: Images, height: int, width: int, *, shrinks: bool) -> Images:
    import cv2

    if image.shape[:2] == (height, width):
        return image
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8).reshape(height, width, -1)


def _levels(color: Sequence[int], channels: int) -> tuple[int, ...]:
    """A color as the values of a pixel; a grey one has the luma of ITU-R BT.601, as OpenCV computes it."""
    red, green, blue = color
    return (red, green, blue) if channels == 3 else (round(0.299 * red + 0.587 * green + 0.114 * blue),)
