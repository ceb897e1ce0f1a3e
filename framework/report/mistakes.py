"""A gallery of the test images that the network gets wrong."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from framework.report.picture import save_gallery, shortened
from framework.report.predictions import Predictions


def caption(predictions: Predictions, image: int) -> str:
    """Predicted class and confidence of an image, and its true class."""
    names = predictions.class_names
    said, true = names[int(predictions.classes[image])], names[int(predictions.labels[image])]
    return f"{shortened(said)} {100 * predictions.confidences[image]:.0f} %\n({shortened(true)})"


def save_mistakes(
    path: Path, images: npt.NDArray[np.uint8], predictions: Predictions, *, most: int = 32, columns: int = 8
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
