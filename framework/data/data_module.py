"""From a configuration to everything that training reads: images, statistics, the split, the batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from framework.config import Config
from framework.data.augment import Augmentation, build_augmentation, require_same_format
from framework.data.augment.cutmix import CutMix
from framework.data.augment.mixup import Mixup
from framework.data.checks import require_all_classes_trained, require_trainable, shared_images
from framework.data.image_data import ImageData, Labels
from framework.data.loader import DeviceLoader, WorkerLoader, evaluation_batches
from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from framework.data.rendering import Batch, TrainingImages
from framework.data.sampler import TrainingSampler
from framework.data.splits import train_val_split
from framework.data.statistics import Statistics, channel_statistics
from framework.errors import EmberfieldError

TRIED = 8
"""Training images that the transforms are tried on."""


@dataclass(frozen=True)
class DataModule:
    """What a training reads; `held_out` are the indices of the training images for validation.

    `shared` is what `shared_images` gives.
    """

    data: ImageData
    statistics: Statistics
    augmentation: Augmentation
    training: TrainingImages
    sampler: TrainingSampler
    held_out: Labels
    shared: tuple[int, int] = (0, 0)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.data.channels, *self.training.size

    @property
    def warnings(self) -> list[str]:
        """What has to stand beside the figures: a dry run, test images that were trained on, splits that were drawn."""
        limit = self.sampler.limit
        dry = f"A dry run: every epoch and every test was cut off after {limit} batch{'' if limit == 1 else 'es'}."
        return [said for said in (dry if limit else "", self.shared_warning, self.data.note) if said]

    @property
    def shared_warning(self) -> str:
        """What to say of the test images that are training images too; empty if there are none."""
        test, train = self.shared
        if not test:
            return ""
        return (
            f"{test:,} of {len(self.data.test_labels):,} test images are training images too, pixel by pixel "
            f"({train:,} copies): the test accuracy flatters the network."
        )

    def train_loader(
        self, start: int, stop: int, *, augment_on: str, device: torch.device, workers: int = 0
    ) -> DeviceLoader | WorkerLoader:
        """The batches of the steps from `start` to `stop`, augmented on the 'device' or on the 'cpu' by `workers`."""
        if augment_on == "device":
            return DeviceLoader(self.training, self.sampler, device, start, stop)
        return WorkerLoader(self.training, self.sampler, start, stop, workers)

    def val_batches(self, batch_size: int = 64) -> Iterator[Batch]:
        """This process's part of the validation images as they are, in batches."""
        whole = self.held_out if self.sampler.limit is None else self.held_out[: self.sampler.limit * batch_size]
        own = whole[self.sampler.rank :: self.sampler.world_size]
        return evaluation_batches(self.data.train_images, self.data.train_labels, own, batch_size=batch_size)

    def test_batches(self, batch_size: int = 64) -> Iterator[Batch]:
        """The test images, in batches."""
        images, labels = self.data.test_images, self.data.test_labels
        limit = self.sampler.limit
        return evaluation_batches(images, labels, np.arange(len(labels)), batch_size=batch_size, limit=limit)


def setup(config: Config, data: ImageData | None = None, *, rank: int = 0, world_size: int = 1) -> DataModule:
    """Opens the images that a configuration names, or takes `data`, and lays out the training of this process.

    As many training images as --val-size says are for validation, without it those that the data keeps for that, or a
    tenth. Mean and deviation are those of all training images. Raises DataError for labels that leave a class empty,
    and EmberfieldError for transforms that do not fit the images.
    """
    data = open_images(config) if data is None else data
    require_trainable(data)
    statistics = channel_statistics(data.train_images)
    trained, held_out = split_images(data, config)
    require_all_classes_trained(data, trained, len(held_out))
    batch_size = config.training.batch_size * config.training.accumulate
    if config.training.accumulate > 1 and batch_size > len(trained):
        asked = f"accumulate is {config.training.accumulate}, of batches of {config.training.batch_size}"
        raise EmberfieldError(f"{asked}: {batch_size:,} images are more than an epoch, which has {len(trained):,}")
    augmentation = build_augmentation(config.augmentation.transforms, [255 * mean for mean in statistics.mean])
    spread = trained[:: -(-len(trained) // TRIED)]
    require_same_format(augmentation, [np.array(data.train_images[index]) for index in spread])
    settings = config.augmentation
    mixing: list[CutMix | Mixup] = [CutMix(settings.cutmix), Mixup(settings.mixup, settings.mixup_alpha)]
    training = TrainingImages(
        images=data.train_images,
        labels=data.train_labels,
        indices=trained,
        seed=config.training.seed,
        augment=augmentation,
        classes=data.num_classes,
        mixing=[mix for mix in mixing if mix.p],
    )
    sampler = TrainingSampler(
        indices=trained,
        batch_size=batch_size,
        seed=config.training.seed,
        limit=config.training.limit_batches,
        rank=rank,
        world_size=world_size,
    )
    return DataModule(data, statistics, augmentation, training, sampler, held_out, shared_images(data))


def open_images(config: Config) -> ImageData:
    """The images that a configuration names, with the user's cache."""
    return open_named(config.data.data, preprocessing_of(config))


def preprocessing_of(config: Config) -> Preprocessing:
    """How a configuration brings images to one size."""
    return Preprocessing(config.data.image_size, config.data.fit, config.data.background)


def split_images(data: ImageData, config: Config) -> tuple[Labels, Labels]:
    """The indices of the training images that are trained on, and of those for validation."""
    if data.held_out is not None and config.data.val_size is None:
        return np.setdiff1d(np.arange(len(data.train_labels)), data.held_out), data.held_out
    val_size = len(data.train_labels) // 10 if config.data.val_size is None else config.data.val_size
    return train_val_split(data.train_labels, val_size, config.training.seed)
