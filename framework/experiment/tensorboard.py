"""What TensorBoard shows of a run beside its epochs: settings and samples at the start, the test at the end."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from framework.config import Config
from framework.config.config import deciding
from framework.data.image_data import ImageData
from framework.report.gallery import save_mistakes
from framework.report.predictions import Predictions
from framework.run.directory import RunDirectory
from framework.run.tensorboard import EventFiles


def record_settings(run: RunDirectory, config: Config, data: ImageData) -> None:
    """The settings that decide what is computed as hyper-parameters, and the sheet of augmented samples."""
    settings = {"data": data.name} | {
        name: value if isinstance(value, int | float | str) else json.dumps(value)
        for name, value in deciding(config).items()
        if value is not None
    }
    with closing(EventFiles(run.tensorboard, purge_step=0)) as events:
        events.hyperparameters(settings)
        events.image("train", "augmented samples", run.augmented_samples.read_bytes(), 0)


def record_test(
    run: RunDirectory, test: Mapping[str, Any], logits: Sequence[Tensor], data: ImageData, epoch: int
) -> None:
    """The figures of the test at the epoch whose weights were tested, and the most confident mistakes.

    `logits` (N, classes), in batches, are those of the first N test images. What an earlier end of the run left is
    replaced.
    """
    probabilities = torch.cat([*logits]).softmax(1).numpy()
    predictions = Predictions(probabilities, data.test_labels[: len(probabilities)], data.class_names)
    with closing(EventFiles(run.tensorboard, purge_step=0)) as events:
        events.scalars("test", {name: value for name, value in test.items() if isinstance(value, float)}, epoch)
        if save_mistakes(picture := BytesIO(), data.test_images, predictions):
            events.image("test", "most confident mistakes", picture.getvalue(), epoch)
