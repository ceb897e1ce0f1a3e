"""Classes for image files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from framework.data import normalize
from framework.sources.folder import read_image
from recipes.restoring import Restored


@torch.no_grad()
def predictions(restored: Restored, paths: Sequence[Path]) -> list[tuple[str, float]]:
    """The most likely class of each image and its probability.

    Raises DataError, naming the file, for an image that cannot be read.
    """
    description = restored.description
    images = np.stack([read_image(path, description.image_size, description.in_channels) for path in paths])
    batch = torch.from_numpy(images).to(restored.device)
    probabilities = restored.network(normalize(batch, description.statistics)).softmax(dim=1)
    confidences, classes = probabilities.max(dim=1)
    names = [description.class_names[index] for index in classes.tolist()]
    return list(zip(names, confidences.tolist(), strict=True))
