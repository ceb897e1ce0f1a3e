"""The curves of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from framework.report.drawing import INK, saved_figure
from framework.run.history import EpochMetrics

PANELS = ((0.055, 0.315), (0.385, 0.645), (0.73, 0.99))
"""Where the three panels begin and end, as shares of the picture's width. Each epoch has an equal part of them."""


def save_curves(path: Path | BinaryIO, history: Sequence[EpochMetrics], title: str) -> None:
    """Saves loss and accuracy over the epochs, of training and validation, and the learning rate, as a PNG.

    `title` names the network and the data. The training figures are measured on augmented images while the weights
    change, so they may lie below the others.
    """
    with saved_figure(path, (10, 3.6), layout="none") as figure:
        loss, accuracy, rate = (figure.add_axes((left, 0.15, right - left, 0.73)) for left, right in PANELS)
        epochs = [metrics["epoch"] for metrics in history]
        for prefix, label in (("", "training, augmented"), ("val_", "validation")):
            if all(f"{prefix}loss" in metrics for metrics in history):
                for axes, name, factor in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
                    values = [factor * metrics[prefix + name] for metrics in history]
                    axes.plot(epochs, values, marker=".", label=label)
                    axes.legend(labelcolor=INK)
        rate.plot(epochs, [metrics["lr"] for metrics in history], marker=".", color="tab:green")
        for axes, label in ((loss, "loss"), (accuracy, "accuracy in %"), (rate, "learning rate at the end")):
            axes.set(xlabel="epoch", title=label, xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
            axes.grid(alpha=0.3)
            axes.locator_params(axis="x", integer=True, min_n_ticks=1)
        figure.suptitle(title, fontsize="medium", y=0.995)
