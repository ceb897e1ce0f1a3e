"""The curves of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path

from framework.report.drawing import drawn
from framework.run.history import EpochMetrics


@drawn
def save_curves(path: Path, history: Sequence[EpochMetrics], title: str) -> None:
    """Saves loss and accuracy over the epochs, of training and validation, and the learning rate, as a PNG.

    `title` names the network and the data. The training figures are measured on augmented images while the weights
    change, so they may lie below the others.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [metrics["epoch"] for metrics in history]
    for name, label in (("", "training, augmented"), ("val_", "validation")):
        if all(f"{name}loss" in metrics for metrics in history):
            loss.plot(epochs, [metrics[f"{name}loss"] for metrics in history], marker=".", label=label)
            accuracy.plot(epochs, [100 * metrics[f"{name}accuracy"] for metrics in history], marker=".", label=label)
    rate.plot(epochs, [metrics["lr"] for metrics in history], marker=".", color="tab:green")
    for axes, label in ((loss, "loss"), (accuracy, "accuracy in %"), (rate, "learning rate at the epoch's end")):
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
    loss.legend()
    accuracy.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})
