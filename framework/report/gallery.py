"""Galleries: small images side by side with captions, such as the test images that the network gets wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from framework.report.drawing import saved_figure
from framework.report.predictions import Predictions
from framework.run.printable import printable

SIDE = 1.25
"""The width of an image on the page, in inches."""


def shortened(text: str, longest: int = 14) -> str:
    """A name that fits beside a small image."""
    text = printable(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def save_gallery(
    path: Path | BinaryIO, rows: Sequence[Sequence[npt.NDArray[Any]]], captions: Sequence[Sequence[str]]
) -> None:
    """Saves rows of images (H, W, C), C 1 or 3, uint8 or floats from 0 to 1, each under its caption, as a PNG."""
    columns = max(map(len, rows))
    lines = max(caption.count("\n") + 1 for row in captions for caption in row)
    with saved_figure(path, (SIDE * columns, len(rows) * (SIDE + 0.16 * lines)), dpi=72) as figure:
        for cell in (grid := figure.subplots(len(rows), columns, squeeze=False)).ravel():
            cell.set_axis_off()
        for axes, images, texts in zip(grid, rows, captions, strict=True):
            for cell, image, text in zip(axes, images, texts, strict=False):
                grey = image.shape[-1] == 1
                top = 255 if image.dtype == np.uint8 else 1
                cell.imshow(image[..., 0] if grey else image, cmap="gray", vmin=0, vmax=top, interpolation="nearest")
                cell.set_title(text, fontsize=7, pad=2)


def caption(predictions: Predictions, image: int) -> str:
    """Predicted class and confidence of an image, and its true class."""
    names = predictions.class_names
    said, true = names[int(predictions.classes[image])], names[int(predictions.labels[image])]
    return f"{shortened(said)} {100 * predictions.confidences[image]:.0f} %\ntrue: {shortened(true)}"


def save_mistakes(
    path: Path | BinaryIO, images: npt.NDArray[np.uint8], predictions: Predictions, *, most: int = 32, columns: int = 8
) -> int:
    """Saves the most confident mistakes among images (N, H, W, C) as a PNG; the number shown.

    Each has predicted class and confidence, then its true class in brackets. Without mistakes nothing is saved.
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
