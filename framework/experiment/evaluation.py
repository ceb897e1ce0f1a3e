"""A trained network on images: metrics of a data set, and the classes of image files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.metrics import Metric

from framework.checkpoint.loaded_model import LoadedModel, require_same_classes
from framework.data.image_data import ImageData, Images
from framework.data.image_file import read_image
from framework.data.loader import evaluation_batch_size, evaluation_batches
from framework.data.statistics import normalize
from framework.engine.evaluator import make_evaluator, require_finite
from framework.engine.tta import FlipTTA
from framework.errors import DataError


def evaluate_model(
    model: LoadedModel,
    data: ImageData,
    limit: int | None = None,
    *,
    tta: str | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, Any]:
    """'accuracy' (a share), 'loss' and further `metrics` on all test images, in float32 whatever the precision was.

    Each is a number, or a list of them.

    With `tta` 'flip' the logits of each image and its horizontal flip are averaged. `limit` cuts a dry run off after
    that many batches. Raises DataError as `require_same_classes` does,
    NonFiniteError for a network whose output is not finite.
    """
    require_same_classes(model, data)
    assert tta in (None, "flip"), tta
    network = FlipTTA(model.network) if tta else model.network
    statistics = model.metadata.statistics
    evaluator = make_evaluator(
        network, statistics=statistics, device=model.device, precision="float32", metrics=metrics
    )
    every = np.arange(len(data.test_labels))
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 keeps 10 bits of float32's 23
        size = evaluation_batch_size(model.device)
        evaluator.run(evaluation_batches(data.test_images, data.test_labels, every, batch_size=size, limit=limit))
    require_finite(evaluator, "the test")
    found = evaluator.state.metrics.items()
    return {name: value.tolist() if isinstance(value, torch.Tensor) else float(value) for name, value in found}


def predict_files(model: LoadedModel, paths: Sequence[Path]) -> Iterator[tuple[str, float]]:
    """The most likely class of each image file and its probability, in batches, each as it comes.

    Raises DataError, naming the file, for an image that cannot be read, after what stands before it.
    """
    size = evaluation_batch_size(model.device)
    for start in range(0, len(paths), size):
        images, unreadable = [], None
        for path in paths[start : start + size]:
            try:
                images.append(read_image(path, model.metadata.preprocessing, model.metadata.in_channels))
            except DataError as error:
                unreadable = error
                break
        if images:
            yield from _classified(model, np.stack(images))
        if unreadable is not None:
            raise unreadable


@torch.no_grad()
def _classified(model: LoadedModel, images: Images) -> list[tuple[str, float]]:
    """Class and probability of each of the images (N, H, W, C)."""
    batch = torch.from_numpy(images).to(model.device)
    probabilities = model.network(normalize(batch, model.metadata.statistics)).softmax(dim=1)
    confidences, classes = probabilities.max(dim=1)
    names = [model.metadata.class_names[index] for index in classes.tolist()]
    return list(zip(names, confidences.tolist(), strict=True))
