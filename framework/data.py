"""From arrays of images to the batches that an engine consumes.

A training batch is a pure function of its step, so a run can start at any step at no cost, with any number of workers.
Images stay uint8 in NHWC until `normalize` turns a whole batch into what a network takes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from framework.augment.cutmix import CutMix
from framework.augment.plan import Drawn, Size
from framework.errors import DataError, EmberfieldError
from framework.mapped import chunks, gather
from framework.randomness import epoch_order, split_generator
from framework.stopping import ignore_signals

Batch = tuple[Tensor, Tensor]
"""Images (N, H, W, C) as uint8 and labels (N,) as int64; of mixed images the shares (N, classes) as float32."""


class Augment(Protocol):
    """Changes one uint8 image (H, W, C), depending on nothing but the image and the keys."""

    def __call__(self, image: npt.NDArray[np.uint8], *, seed: int, epoch: int, sample: int) -> npt.NDArray[np.uint8]:
        """The changed image, of the same shape."""


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel, on the scale 0 to 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def channel_statistics(images: npt.NDArray[np.uint8], chunk: int = 500) -> Statistics:
    """The statistics of images (N, H, W, C) over all pixels, exact: from histograms, in chunks of `chunk` images.

    A channel that never changes gets the deviation 1, so that it normalises to zero.
    """
    channels = images.shape[-1]
    histogram = np.zeros((channels, 256), np.int64)
    for piece in chunks(images, chunk):
        for channel in range(channels):
            histogram[channel] += np.bincount(piece[..., channel].ravel(), minlength=256)
    levels, count = np.arange(256), images.size // channels
    mean = histogram @ levels / count
    std = np.sqrt(np.maximum(histogram @ levels**2 / count - mean**2, 0.0))
    std[std == 0] = 255.0
    return Statistics(tuple((mean / 255).tolist()), tuple((std / 255).tolist()))


def held_out_split(
    labels: npt.NDArray[np.int64], holdout: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices to train on and indices held out, both ascending; a function of labels, `holdout` and `seed`.

    Each class gives `holdout` times its share of the images, rounded by largest remainder, so that exactly `holdout`
    are held out. Raises EmberfieldError if that leaves nothing to train on.
    """
    if holdout >= len(labels):
        raise EmberfieldError(f"holdout {holdout} leaves nothing to train on; valid: 0 to {len(labels) - 1}")
    counts = np.bincount(labels)
    exact = counts * (holdout / len(labels))
    quota = np.floor(exact).astype(np.int64)
    quota[np.argsort(quota - exact, kind="stable")[: holdout - quota.sum()]] += 1
    generator = split_generator(seed)
    held = [
        generator.permutation(np.flatnonzero(labels == label))[:number] for label, number in enumerate(quota.tolist())
    ]
    held_out = np.sort(np.concatenate(held)).astype(np.int64)
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


@dataclass(frozen=True, kw_only=True)
class TrainingBatches(Dataset[Batch]):
    """The batch of every training step; `self[step]` depends on the step alone.

    An epoch visits `indices` in the order of (seed, epoch) and leaves out the last `len(indices) % batch_size` of
    that order, other ones each time. Of several processes, each makes its `share` (number, count) of a batch. Raises
    DataError if there are fewer images than one batch. With `cutmix`, parts of others of the `indices` are pasted into
    its images as they are augmented.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    batch_size: int
    seed: int
    augment: Augment
    limit: int | None = None
    share: tuple[int, int] = (0, 1)
    cutmix: CutMix | None = None

    def __post_init__(self) -> None:
        if len(self.indices) < self.batch_size:
            raise DataError(f"a batch of {self.batch_size} needs more than the {len(self.indices)} training images")

    @property
    def epoch_length(self) -> int:
        """Steps in an epoch."""
        whole = len(self.indices) // self.batch_size
        return whole if self.limit is None else min(whole, self.limit)

    @property
    def size(self) -> Size:
        """Height and width of an image."""
        return int(self.images.shape[1]), int(self.images.shape[2])

    def mixing(self, epoch: int) -> Drawn:
        """What `CutMix.draw` gives for an epoch, with the partners as indices into `images`."""
        assert self.cutmix is not None
        samples, trained = len(self.labels), len(self.indices)
        drawn = self.cutmix.draw(seed=self.seed, epoch=epoch, samples=samples, trained=trained, size=self.size)
        return {**drawn, "partner": self.indices[drawn["partner"]]}

    def samples(self, step: int) -> npt.NDArray[np.int64]:
        """The samples of a step, as indices into `images`; steps are counted from 0 over all epochs."""
        epoch, batch = divmod(step, self.epoch_length)
        order = epoch_order(self.seed, epoch, len(self.indices))
        return self.indices[order[batch * self.batch_size : (batch + 1) * self.batch_size]]

    def own_samples(self, step: int) -> npt.NDArray[np.int64]:
        """This process's share of them."""
        number, count = self.share
        return self.samples(step)[number::count]

    def __getitem__(self, step: int) -> Batch:
        """The augmented images and the labels of this process's share of a step."""
        return self.shown(self.own_samples(step), step // self.epoch_length)

    def shown(self, samples: npt.NDArray[np.int64], epoch: int) -> Batch:
        """What an epoch shows as these samples (N,), made image by image."""

        def seen(samples: Tensor) -> Tensor:
            made = np.empty((len(samples), *self.images.shape[1:]), np.uint8)
            for place, sample in enumerate(samples.tolist()):
                made[place] = self.augment(self.images[sample], seed=self.seed, epoch=epoch, sample=sample)
            return torch.from_numpy(made)

        chosen, labels = torch.from_numpy(samples), torch.from_numpy(self.labels)
        if self.cutmix is None:
            return seen(chosen), labels[chosen]
        drawn = {name: torch.from_numpy(values) for name, values in self.mixing(epoch).items()}
        return self.cutmix.shown(chosen, seen, labels, **drawn)

    def stream(self, start: int, stop: int, workers: int) -> DataLoader[Batch]:
        """The batches of the steps from `start` to `stop`, made ahead by `workers` processes (0: by this one)."""
        steps = _Steps(range(start, stop))
        return DataLoader(self, batch_size=None, sampler=steps, num_workers=workers, worker_init_fn=ignore_signals)


@dataclass(frozen=True)
class _Steps:
    steps: range

    def __iter__(self) -> Iterator[int]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


def evaluation_batch_size(device: torch.device) -> int:
    """250 images for a GPU, which small batches leave idle; 64 for a CPU, as fast there, and for less memory."""
    return 64 if device.type == "cpu" else 250


def evaluation_batches(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int64],
    *,
    batch_size: int = 64,
    limit: int | None = None,
) -> Iterator[Batch]:
    """The images at `indices` as they are, in order, every one exactly once; the last batch may be smaller.

    `limit` cuts a dry run off after that many batches.
    """
    starts = range(0, len(indices), batch_size)
    for start in starts[:limit]:
        chosen = indices[start : start + batch_size]
        yield torch.from_numpy(gather(images, chosen)), torch.from_numpy(labels[chosen])


def normalizer(statistics: Statistics, device: torch.device) -> Callable[[Tensor], Tensor]:
    """A function from uint8 (N, H, W, C) to float32 (N, C, H, W) of zero mean and unit deviation, in channels_last."""
    scale = torch.tensor(statistics.std, device=device) * 255
    shift = torch.tensor(statistics.mean, device=device) * 255

    def normalized(images: Tensor) -> Tensor:
        rows, width = (
            images.flatten(2),
            images.shape[2],
        )  # as (N, H, W * C): a loop over three channels is five times slower
        return (rows - shift.repeat(width)).div_(scale.repeat(width)).view(images.shape).permute(0, 3, 1, 2)

    return normalized


def normalize(images: Tensor, statistics: Statistics) -> Tensor:
    """What `normalizer` gives for these images, on their device."""
    return normalizer(statistics, images.device)(images)
