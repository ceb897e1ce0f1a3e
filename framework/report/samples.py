"""A sheet of augmented training images as a picture."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from framework.data import Augment


def save_augmented_samples(
    path: Path, images: npt.NDArray[np.uint8], augment: Augment, *, seed: int, title: str, epochs: int = 8
) -> None:
    """Saves a PNG with a row for each image (N, H, W, C): as it is, then as it is seen in the first `epochs` epochs.

    The images stand for the samples 0 to N - 1.
    """
    from matplotlib.figure import Figure

    rows = [
        np.concatenate([image, *(augment(image, seed=seed, epoch=epoch, sample=sample) for epoch in range(epochs))], 1)
        for sample, image in enumerate(np.asarray(images))
    ]
    sheet = np.concatenate(rows)
    height, width, channels = sheet.shape
    figure = Figure(figsize=(8, 8 * height / width + 0.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet if channels == 3 else sheet[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.axvline(images.shape[2] - 0.5, color="white", linewidth=3)
    axes.set_axis_off()
    axes.set_title(title)
    figure.savefig(path, dpi=100, pil_kwargs={"optimize": True})
