"""Loaders of training and evaluation batches. Images stay uint8 in NHWC; the engine normalises whole batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from framework.data.image_data import Images, Labels
from framework.data.memory_map import gather
from framework.data.rendering import Batch, DeviceRenderer, ImageRenderer, TrainingImages
from framework.data.sampler import TrainingSampler
from framework.data.worker_pool import WorkerPool

AHEAD = 2
"""Batches that a worker is asked for before they are needed."""

AT_ONCE = 8
"""Steps whose batches a device makes together: more take memory, fewer take time for small operations."""


@dataclass(frozen=True)
class WorkerLoader:
    """The batches of the steps from `start` to `stop`, made ahead by `workers` processes (0: by this one).

    Raises WorkerError for a process that cannot be started or is killed.
    """

    images: TrainingImages
    sampler: TrainingSampler
    start: int
    stop: int
    workers: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[Batch]:
        """One batch a step."""
        if self.workers == 0:
            yield from map(self.batch, range(self.start, self.stop))
            return
        pool = WorkerPool(self.batch, self.workers)
        try:
            ahead = AHEAD * self.workers
            for step in range(self.start, min(self.start + ahead, self.stop)):
                pool.ask(step)
            for step in range(self.start, self.stop):
                batch = pool.take(step)
                if step + ahead < self.stop:
                    pool.ask(step + ahead)
                yield batch
        finally:
            pool.close()

    def batch(self, step: int) -> Batch:
        """Augmented images and targets of this process's part of a step, rendered image by image."""
        samples = torch.from_numpy(self.sampler.own_samples(step))
        return ImageRenderer(self.images)(samples, step // self.sampler.epoch_length)


@dataclass(frozen=True)
class DeviceLoader:
    """The batches of the steps from `start` to `stop`, made on a device, those of `at_once` steps together."""

    images: TrainingImages
    sampler: TrainingSampler
    device: torch.device
    start: int
    stop: int
    at_once: int = AT_ONCE

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[Batch]:
        """One batch a step."""
        render, step = DeviceRenderer(self.images, self.device), self.start
        while step < self.stop:
            epoch, first = divmod(step, self.sampler.epoch_length)
            steps = min(self.at_once, self.sampler.epoch_length - first, self.stop - step)
            samples = np.concatenate([self.sampler.own_samples(step + ahead) for ahead in range(steps)])
            made = render(torch.from_numpy(samples).to(self.device, non_blocking=True), epoch)
            yield from zip(*(tensor.chunk(steps) for tensor in made), strict=True)
            step += steps


def evaluation_batch_size(device: torch.device) -> int:
    """250 images for a GPU, which small batches leave idle; 64 for a CPU, as fast there, and for less memory."""
    return 64 if device.type == "cpu" else 250


def evaluation_batches(
    images: Images, labels: Labels, indices: Labels, *, batch_size: int = 64, limit: int | None = None
) -> Iterator[Batch]:
    """The images at `indices` as they are, in order, every one exactly once; the last batch may be smaller.

    `limit` cuts a dry run off after that many batches.
    """
    for start in range(0, len(indices), batch_size)[:limit]:
        chosen = indices[start : start + batch_size]
        yield torch.from_numpy(gather(images, chosen)), torch.from_numpy(labels[chosen])
