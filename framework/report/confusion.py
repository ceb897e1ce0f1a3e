"""Which classes are taken for which."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from framework.report.drawing import INK, saved_figure
from framework.report.gallery import shortened

SHOWN = 20
"""Classes that the picture has at most."""


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


def most_confused(confusion: npt.NDArray[np.int64], most: int = SHOWN) -> npt.NDArray[np.int64]:
    """The classes of the commonest mistakes, at most so many, in their order; all of them where they are no more."""
    number = len(confusion)
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-(wrong + wrong.T), axis=None, kind="stable")
    return np.sort([*dict.fromkeys(np.stack(np.divmod(order, number), 1).ravel().tolist())][:most])


def save_confusion(path: Path | BinaryIO, confusion: npt.NDArray[np.int64], class_names: Sequence[str]) -> None:
    """Saves the confusion matrix as a PNG, coloured by the share of each true class; of many classes the top part."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    part = most_confused(confusion)
    names = [shortened(class_names[place]) for place in part]
    confusion, shares = confusion[np.ix_(part, part)], shares[np.ix_(part, part)]
    # its zero is the page's own color, light or dark
    colors = LinearSegmentedColormap.from_list("shares", [to_rgba("tab:blue", 0), to_rgba("tab:blue", 1)])
    whole = len(part) == len(class_names)
    with saved_figure(path, (8, 7)) as figure:
        axes = figure.subplots()
        drawn = axes.imshow(shares, cmap=colors, vmin=0, vmax=1, interpolation="nearest")
        figure.colorbar(drawn, ax=axes, label="share of the true class", shrink=0.85)
        title = "Confusion matrix" if whole else f"The {len(part)} most confused of {len(class_names)} classes"
        axes.set(xlabel="predicted", ylabel="true", title=title)
        axes.set_xticks(range(len(part)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(part)), names)
        for row, column in np.argwhere(confusion > 0):
            color = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=color, fontsize=8)
