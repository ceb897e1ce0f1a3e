"""What the network can see of an image, and where it looks: coverage and effective receptive field."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from framework.inspection.effective_field import THRESHOLD, EffectiveField
from framework.report.drawing import saved_figure


def save_field_of_view(path: Path, mask: npt.NDArray[np.bool_], fields: Mapping[str, EffectiveField]) -> None:
    """Saves the pixels that can reach the output, `mask` (H, W), and effective fields by their titles, as a PNG.

    Around an effective field, drawn over `framework.inspection.mirrored` images, a frame shows the theoretical one.
    """
    from matplotlib.patches import Rectangle

    with saved_figure(path, (3.3 * (1 + len(fields)), 3.6)) as figure:
        first, *others = figure.subplots(1, 1 + len(fields), squeeze=False)[0]
        first.imshow(mask, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        first.set_title(f"Input coverage {100 * mask.mean():.4g} %\n(white pixels can reach the output)", fontsize=10)
        for axes, (title, field) in zip(others, fields.items(), strict=True):
            drawn = axes.imshow(
                np.log10(np.maximum(field.weights, 1e-4)), cmap="inferno", vmin=-4, vmax=0, interpolation="nearest"
            )
            height, width = field.theoretical
            corner = (field.centre[1] - width / 2, field.centre[0] - height / 2)
            axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="white", linewidth=1))
            axes.contour(field.weights, levels=[THRESHOLD], colors="cyan", linewidths=0.7)
            axes.set_xlim(corner[0] - 4, corner[0] + width + 4)
            axes.set_ylim(corner[1] + height + 4, corner[1] - 4)
            axes.set_facecolor("black")
            axes.set_title(f"{title}\n{field.size:.0f} of {np.sqrt(height * width):.0f} pixels", fontsize=10)
        if fields:
            bar = figure.colorbar(drawn, ax=others, shrink=0.8, ticks=range(-4, 1), label="weight over the largest")
            bar.ax.set_yticklabels(["≤ 0.0001", "0.001", "0.01", "0.1", "1"])
