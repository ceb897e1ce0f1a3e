"""The curves of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from framework.report.drawing import saved_figure
from framework.run.history import EpochMetrics


def save_curves(path: Path | BinaryIO, history: Sequence[EpochMetrics], title: str) -> None:
    """Saves loss and accuracy over the epochs, of training and validation, and the learning rate, as a PNG.

    `title` names the network and the data. The training figures are measured on augmented images while the weights
    change, so they may lie below the others.
    """
    with saved_figure(path, (13, 4), dpi=80) as figure:
        loss, accuracy, rate = figure.subplots(1, 3)
        epochs = [metrics["epoch"] for metrics in history]
        for prefix, label in (("", "training, augmented"), ("val_", "validation")):
            if all(f"{prefix}loss" in metrics for metrics in history):
                for axes, name, factor in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
                    values = [factor * metrics[prefix + name] for metrics in history]
                    axes.plot(epochs, values, marker=".", label=label)
        rate.plot(epochs, [metrics["lr"] for metrics in history], marker=".", color="tab:green")
        for axes, label in ((loss, "loss"), (accuracy, "accuracy in %"), (rate, "learning rate at the epoch's end")):
            axes.set(xlabel="epoch", ylabel=label)
            axes.grid(alpha=0.3)
        loss.legend()
        accuracy.legend()
        figure.suptitle(title)
