"""Training batches that are gathered and augmented where the network runs: no worker, no copy of images each step."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.augment import Augmentation
from framework.augment.augmentation import on_device
from framework.data import Batch, TrainingBatches
from framework.errors import EmberfieldError
from framework.mapped import gather
from framework.randomness import epoch_order

LARGEST_SHARE = 0.5
"""The share of a GPU's free memory that the images may take before 'auto' leaves them to the CPU."""


@dataclass(frozen=True)
class DeviceBatches:
    """The batches of the steps from `start` to `stop` of a training, as uint8 images and labels on a device.

    The same samples in the same order with the same drawn parameters as `TrainingBatches` itself gives; a warp can
    differ by a grey level. Images lie on the device once, and an epoch's order and parameters with them. The batches
    of `at_once` steps are made together, for a device to which small operations cost as much as large ones.
    """

    batches: TrainingBatches
    device: torch.device
    start: int
    stop: int
    at_once: int = 1

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[Batch]:
        """One batch a step."""
        batches, device = self.batches, self.device
        take = _reader(batches.images, device)
        labels, indices = (torch.from_numpy(a).to(device) for a in (batches.labels, batches.indices))
        number, count = batches.share
        step = self.start
        while step < self.stop:
            epoch, first = divmod(step, batches.epoch_length)
            if step == self.start or first == 0:
                order = torch.tensor(epoch_order(batches.seed, epoch, len(indices)), device=device)
                visited = torch.split(indices[order], batches.batch_size)
                show = self._show(epoch, take, labels)
            steps = min(self.at_once, batches.epoch_length - first, self.stop - step)
            own = [batch[number::count] for batch in visited[first : first + steps]]
            made = show(torch.cat(own))
            yield from zip(*(torch.split(tensor, len(own[0])) for tensor in made), strict=True)
            step += steps

    def _show(self, epoch: int, take: Callable[[Tensor], Tensor], labels: Tensor) -> Callable[[Tensor], Batch]:
        """A function from samples (N,) to what an epoch shows as them."""
        batches, augmentation, cutmix = self.batches, self.batches.augment, self.batches.cutmix
        assert isinstance(augmentation, Augmentation)
        drawn = augmentation.table(seed=batches.seed, epoch=epoch, samples=len(labels), size=batches.size)
        table = on_device(drawn, self.device)

        def seen(samples: Tensor) -> Tensor:
            return augmentation.apply_batch(take(samples), table, samples)

        if cutmix is None:
            return lambda samples: (seen(samples), labels[samples])
        (mixing,) = on_device([batches.mixing(epoch)], self.device)
        return lambda samples: cutmix.shown(samples, seen, labels, **mixing)


def _reader(images: npt.NDArray[np.uint8], device: torch.device) -> Callable[[Tensor], Tensor]:
    """Takes images by their numbers, a tensor: on a CPU from where they are, else from a copy on the device."""
    if device.type == "cpu":
        return lambda samples: torch.from_numpy(gather(images, samples.numpy()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it is a file, and only read
        stored = torch.from_numpy(images).to(device)
    return lambda samples: stored[samples]


def choose_augment_on(asked: str, batches: TrainingBatches, device: torch.device) -> str:
    """Where to augment: 'cpu' by albumentations, image by image, or 'device' by operations on whole batches.

    'auto' is the device if every transform can run there and the images fit beside the network. Raises EmberfieldError
    if the device is asked for and a transform cannot run there.
    """
    augmentation = batches.augment
    batched = isinstance(augmentation, Augmentation) and augmentation.batched
    if asked == "device" and not batched:
        raise EmberfieldError(
            "augment_on is 'device', where HorizontalFlip, ShiftScaleRotate or Affine (bilinear, constant border, no "
            "shear) and CoarseDropout (constant fill) can run, and no other transform; valid: 'cpu', 'auto'"
        )
    if asked != "auto":
        return asked
    fits = device.type != "cuda" or batches.images.nbytes < LARGEST_SHARE * torch.cuda.mem_get_info(device)[0]
    return "device" if batched and fits else "cpu"
