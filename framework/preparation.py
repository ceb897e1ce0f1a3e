"""From a configuration to everything that training reads: images, statistics, the held-out split, the batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.augment import Augmentation, build_augmentation
from framework.augment.cutmix import CutMix
from framework.config import Config
from framework.data import (
    Batch,
    Statistics,
    TrainingBatches,
    channel_statistics,
    evaluation_batches,
    held_out_split,
    normalize,
)
from framework.sources import ImageData, cache_folder, open_data


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a training reads.

    `held_out` are indices of training images kept for choices; `limit` is the number of batches that a dry run
    evaluates, and `share` (number, count) this process's part of what several train and validate on.
    """

    data: ImageData
    statistics: Statistics
    augmentation: Augmentation
    batches: TrainingBatches
    held_out: npt.NDArray[np.int64]
    limit: int | None = None
    share: tuple[int, int] = (0, 1)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        height, width = self.data.train_images.shape[1:3]
        return self.data.channels, int(height), int(width)

    @property
    def cautions(self) -> list[str]:
        """What has to stand beside the figures of a dry run; of any other nothing."""
        if self.limit is None:
            return []
        return [f"A dry run: every epoch and every test was cut off after {self.limit} batches."]

    def sample(self, most: int = 1000) -> Tensor:
        """At most so many of the images that are trained on, spread evenly, as a network takes them (N, C, H, W)."""
        trained = self.batches.indices
        chosen = self.data.train_images[trained[:: -(-len(trained) // most)]]
        return normalize(torch.from_numpy(chosen), self.statistics)

    def validation(self, batch_size: int = 64) -> Iterator[Batch]:
        """This process's share of the held-out images as they are, in batches; all together see what one would."""
        number, count = self.share
        whole = self.held_out if self.limit is None else self.held_out[: self.limit * batch_size]
        images, labels = self.data.train_images, self.data.train_labels
        return evaluation_batches(images, labels, whole[number::count], batch_size=batch_size)

    def test(self, batch_size: int = 64) -> Iterator[Batch]:
        """The test images, in batches."""
        images, labels = self.data.test_images, self.data.test_labels
        every = np.arange(len(labels))
        return evaluation_batches(images, labels, every, batch_size=batch_size, limit=self.limit)


def prepare(config: Config, notify: Callable[[str], None], share: tuple[int, int] = (0, 1)) -> Prepared:
    """Opens the images and lays out the training; `notify` is told what the user has to know.

    `share` is this process's number and the count of processes. Mean and deviation are those of all training images.
    Raises DataError and EmberfieldError as the parts do.
    """
    data = open_images(config, notify)
    statistics = channel_statistics(data.train_images)
    holdout = len(data.train_labels) // 10 if config.data.holdout is None else config.data.holdout
    trained, held_out = held_out_split(data.train_labels, holdout, config.training.seed)
    augmentation = build_augmentation(config.augmentation.transforms, [255 * mean for mean in statistics.mean])
    batches = TrainingBatches(
        images=data.train_images,
        labels=data.train_labels,
        indices=trained,
        batch_size=config.training.batch_size,
        seed=config.training.seed,
        augment=augmentation,
        limit=config.training.limit_batches,
        share=share,
        cutmix=CutMix(config.augmentation.cutmix, data.num_classes) if config.augmentation.cutmix else None,
    )
    return Prepared(
        data=data,
        statistics=statistics,
        augmentation=augmentation,
        batches=batches,
        held_out=held_out,
        limit=config.training.limit_batches,
        share=share,
    )


def open_images(config: Config, notify: Callable[[str], None]) -> ImageData:
    """The images that a configuration asks for, with the user's cache."""
    return open_data(
        path=Path(config.data.data) if config.data.data else None,
        dataset=config.data.dataset,
        image_size=config.data.image_size,
        cache=cache_folder(),
        notify=notify,
    )
