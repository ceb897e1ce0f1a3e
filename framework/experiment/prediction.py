"""Classes for image files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from framework.checkpoint.loaded_model import LoadedModel
from framework.data.folder import read_image
from framework.data.statistics import normalize


@torch.no_grad()
def predict_files(model: LoadedModel, paths: Sequence[Path]) -> list[tuple[str, float]]:
    """The most likely class of each image file and its probability.

    Raises DataError, naming the file, for an image that cannot be read.
    """
    metadata = model.metadata
    images = np.stack([read_image(path, metadata.image_size, metadata.in_channels) for path in paths])
    batch = torch.from_numpy(images).to(model.device)
    probabilities = model.network(normalize(batch, metadata.statistics)).softmax(dim=1)
    confidences, classes = probabilities.max(dim=1)
    names = [metadata.class_names[index] for index in classes.tolist()]
    return list(zip(names, confidences.tolist(), strict=True))
