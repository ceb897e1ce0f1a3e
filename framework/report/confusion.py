"""Which classes are taken for which."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from framework.report.drawing import saved_figure
from framework.report.gallery import shortened

NUMBERED = 20
"""Up to this many classes the cells show their counts and the axes every name."""


def class_rows(confusion: npt.NDArray[np.int64], class_names: Sequence[str]) -> list[tuple[str, int, float, float]]:
    """For each class its name, images, recall (the accuracy on its images) and precision, as shares.

    NaN where there are no images of it, or none taken for it.
    """
    with np.errstate(invalid="ignore"):
        recall = np.diag(confusion) / confusion.sum(1)
        precision = np.diag(confusion) / confusion.sum(0)
    counts = confusion.sum(1).tolist()
    return list(zip(class_names, counts, recall.tolist(), precision.tolist(), strict=True))


def frequent_confusions(
    confusion: npt.NDArray[np.int64], class_names: Sequence[str], most: int = 10
) -> list[tuple[str, str, int]]:
    """The commonest mistakes as (true class, predicted class, images), the commonest first."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(class_names)) for place in order]
    return [(class_names[true], class_names[said], int(wrong[true, said])) for true, said in pairs if wrong[true, said]]


def save_confusion(path: Path | BinaryIO, confusion: npt.NDArray[np.int64], class_names: Sequence[str]) -> None:
    """Saves the confusion matrix as a PNG, coloured by the share of each true class."""
    number = len(class_names)
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    with saved_figure(path, (7.5, 6.5)) as figure:
        axes = figure.subplots()
        drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        figure.colorbar(drawn, ax=axes, label="share of the true class", shrink=0.85)
        axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")
        if number <= NUMBERED:
            names = [shortened(name) for name in class_names]
            axes.set_xticks(range(number), names, rotation=45, ha="right")
            axes.set_yticks(range(number), names)
            for row, column in np.argwhere(confusion > 0):
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=8)
