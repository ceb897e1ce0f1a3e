"""The curves of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path

from framework.training_state import Record


def save_curves(path: Path, history: Sequence[Record], title: str) -> None:
    """Saves loss and accuracy over the epochs, of training and of the held-out images, and the rate, as a PNG.

    `title` names the network and the data. The training figures are measured on augmented images while the weights
    change, so they may lie below the others.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [record["epoch"] for record in history]
    for name, label in (("", "training, augmented"), ("val_", "held out")):
        if all(f"{name}loss" in record for record in history):
            loss.plot(epochs, [record[f"{name}loss"] for record in history], marker=".", label=label)
            accuracy.plot(epochs, [100 * record[f"{name}accuracy"] for record in history], marker=".", label=label)
    rate.plot(epochs, [record["lr"] for record in history], marker=".", color="tab:green")
    for axes, label in ((loss, "loss"), (accuracy, "accuracy in %"), (rate, "learning rate at the epoch's end")):
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
    loss.legend()
    accuracy.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})
