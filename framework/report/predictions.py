"""What a network says of a data set's images, and the figures that follow from it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from framework.data.rendering import Batch
from framework.data.statistics import Statistics, normalize


@dataclass(frozen=True)
class Predictions:
    """`probabilities` (N, K) and true `labels` (N,) for classes by name, in the order of the images."""

    probabilities: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The most likely class of each image, (N,)."""
        found: npt.NDArray[np.int64] = self.probabilities.argmax(1)
        return found

    @property
    def confidences(self) -> npt.NDArray[np.float32]:
        """The probability of that class, (N,)."""
        found: npt.NDArray[np.float32] = self.probabilities.max(1)
        return found

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether it is the true one, (N,)."""
        return np.equal(self.classes, self.labels)

    @property
    def accuracy(self) -> float:
        """The share of images whose class is right."""
        return float(self.right.mean())

    def confusion(self) -> npt.NDArray[np.int64]:
        """Counts (K, K) by true class (row) and predicted class (column)."""
        number = len(self.class_names)
        counts = np.bincount(self.labels * number + self.classes, minlength=number * number)
        return counts.reshape(number, number)

    def top(self, number: int) -> float:
        """The share of images whose true class is among so many most likely ones."""
        likely = np.argpartition(-self.probabilities, number - 1, axis=1)[:, :number]
        return float((likely == self.labels[:, None]).any(1).mean())

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1, each 2 TP / (2 TP + FP + FN), 0 for one that is nowhere."""
        counts = self.confusion()
        return float((2 * counts.diagonal() / np.maximum(counts.sum(0) + counts.sum(1), 1)).mean())

    def mistakes(self) -> npt.NDArray[np.int64]:
        """The images whose class is wrong, the most confident first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidences[wrong], kind="stable")]


@torch.no_grad()
def predict(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    statistics: Statistics,
    device: torch.device,
    class_names: Iterable[str],
) -> Predictions:
    """The probabilities of a network in evaluation mode for uint8 batches (N, H, W, C), in float32."""
    model.eval()
    probabilities, labels = [], []
    for images, truth in batches:
        probabilities.append(model(normalize(images.to(device), statistics)).softmax(1).cpu())
        labels.append(truth)
    return Predictions(torch.cat(probabilities).numpy(), torch.cat(labels).numpy(), tuple(class_names))
