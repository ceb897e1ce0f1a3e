"""Whether the network is as often right as it says.

Guo et al. 2017, On Calibration of Modern Neural Networks, section 2: images are binned by confidence; a bin's gap is
the difference between its accuracy and its mean confidence, and the expected calibration error the mean gap weighted
by the bins' images (equation 3).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from framework.report.drawing import INK, saved_figure
from framework.report.predictions import Predictions


@dataclass(frozen=True)
class Reliability:
    """For each of B equally wide bins of confidence: images, mean confidence and accuracy (0 in an empty bin)."""

    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """The expected calibration error, a share."""
        return float((self.counts * np.abs(self.accuracy - self.confidence)).sum() / self.counts.sum())


def reliability(predictions: Predictions, bins: int = 15) -> Reliability:
    """The bins ((b - 1) / B, b / B] of the confidences of the predicted classes."""
    confidences = predictions.confidences.astype(np.float64)
    places = np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    several = np.maximum(counts, 1)
    confidence = np.bincount(places, confidences, minlength=bins) / several
    accuracy = np.bincount(places, predictions.right, minlength=bins) / several
    return Reliability(counts, confidence, accuracy)


def save_calibration(path: Path, measured: Reliability) -> None:
    """Saves accuracy against confidence, and how many images have which, as a PNG."""
    bins = len(measured.counts)
    middles, width = (np.arange(bins) + 0.5) / bins, 1 / bins
    with saved_figure(path, (10, 4)) as figure:
        left, right = figure.subplots(1, 2)
        shown = measured.counts > 0
        left.bar(middles[shown], measured.accuracy[shown], 0.9 * width, label="accuracy of the bin")
        left.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, label="as often right as said")
        left.plot(measured.confidence[shown], measured.accuracy[shown], "o", color="tab:orange", markersize=4,
                  label="at its mean confidence")  # fmt: skip
        left.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        left.set_title(f"Expected calibration error {100 * measured.expected_error:.2f} %")
        left.legend(loc="upper left", fontsize="small", labelcolor=INK)
        right.bar(middles, measured.counts / measured.counts.sum(), 0.9 * width, color="tab:gray")
        right.set(xlabel="confidence", ylabel="share of the images", xlim=(0, 1), title="How sure the network is")
        for axes in (left, right):
            axes.grid(alpha=0.3)
            axes.set_axisbelow(True)
