"""Galleries: small images side by side with captions, such as the test images that the network gets wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from framework.report.drawing import INK, font
from framework.report.predictions import Predictions
from framework.run.printable import printable

if TYPE_CHECKING:
    from PIL import Image

TILE, GAP, LINE = 128, 12, 16
"""Pixels: the largest side of a shown image, the space between two, and a line of a caption."""

COLUMNS = 6
"""So many images stand side by side where captions are to be read on a telephone too."""


def shortened(text: str, longest: int = 12) -> str:
    """A name that fits beside a small image."""
    text = printable(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def save_gallery(
    path: Path | BinaryIO, rows: Sequence[Sequence[npt.NDArray[Any]]], captions: Sequence[Sequence[str]]
) -> None:
    """Saves rows of images (H, W, C), C 1 or 3, uint8 or floats from 0 to 1, each above its caption, as a PNG.

    The background is transparent and the captions are grey, for pages of either color. Small images are enlarged by a
    whole factor.
    """
    from PIL import Image, ImageDraw

    shown = [[_tile(image) for image in images] for images in rows]
    heights = [
        max(tile.height for tile in tiles) + LINE * max(text.count("\n") + 1 for text in texts) + GAP
        for tiles, texts in zip(shown, captions, strict=True)
    ]
    width = max(map(len, rows)) * (TILE + GAP) - GAP
    sheet = Image.new("RGBA", (width, sum(heights)), (255, 255, 255, 0))
    draw, letters, top = ImageDraw.Draw(sheet), font(12), 0
    for tiles, texts, height in zip(shown, captions, heights, strict=True):
        below = top + max(tile.height for tile in tiles) + 2
        for column, (tile, text) in enumerate(zip(tiles, texts, strict=True)):
            left = column * (TILE + GAP)
            sheet.paste(tile, (left, top))
            for number, line in enumerate(text.split("\n")):
                while letters.getlength(line) > TILE + GAP - 2:
                    line = line[:-2] + "…"
                draw.text((left, below + LINE * number), line, fill=INK, font=letters)
        top += height
    sheet.save(path, format="PNG", optimize=True)


def _tile(image: npt.NDArray[Any]) -> "Image.Image":
    from PIL import Image

    pixels = image if image.dtype == np.uint8 else (255 * image).round().astype(np.uint8)
    small = Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))))
    if (factor := TILE // max(small.size)) >= 1:
        return small.resize((factor * small.width, factor * small.height), Image.Resampling.NEAREST)
    small.thumbnail((TILE, TILE))
    return small


def caption(predictions: Predictions, image: int) -> str:
    """Predicted class and confidence of an image, and its true class."""
    names = predictions.class_names
    said, true = names[int(predictions.classes[image])], names[int(predictions.labels[image])]
    return f"{shortened(said)} {100 * predictions.confidences[image]:.0f} %\ntrue: {shortened(true)}"


def save_mistakes(
    path: Path | BinaryIO,
    images: npt.NDArray[np.uint8],
    predictions: Predictions,
    *,
    most: int = 5 * COLUMNS,
    columns: int = COLUMNS,
) -> int:
    """Saves the most confident mistakes among images (N, H, W, C) as a PNG; the number shown.

    Each has predicted class and confidence, then its true class. Without mistakes nothing is saved.
    """
    wrong = predictions.mistakes()[:most].tolist()
    if wrong:
        rows = [wrong[start : start + columns] for start in range(0, len(wrong), columns)]
        save_gallery(
            path,
            [[images[image] for image in row] for row in rows],
            [[caption(predictions, image) for image in row] for row in rows],
        )
    return len(wrong)
