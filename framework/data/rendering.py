"""From (seed, epoch, sample) to augmented batches: one plan of random draws, and two ways to render it.

The draws depend neither on the worker nor on the batch. Images are rendered one by one by albumentations, in workers if
asked, or as whole batches on the device where the network runs. Both give the same samples, draws and targets; pixels
of an affine transform can differ by a grey level.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from framework.data.augment import Augmentation
from framework.data.augment.batch_transform import Params, Size, apply_where, to_device
from framework.data.augment.cutmix import CutMix
from framework.data.augment.mixup import Mixup
from framework.data.image_data import Images, Labels
from framework.data.memory_map import gather

Batch = tuple[Tensor, Tensor]
"""Images (N, H, W, C) as uint8 and labels (N,) as int64; of mixed images the class shares (N, classes) as float32."""

LARGEST_SHARE = 0.5
"""The share of a GPU's free memory that the images may take before 'auto' leaves them to the CPU."""


@dataclass(frozen=True, kw_only=True)
class TrainingImages:
    """All training images (N, H, W, C) and labels (N,), the `indices` trained on, and how an epoch augments them.

    Each of `mixing`, one after the other, mixes others of the `indices`, augmented too, into an image, and their shares
    into the labels, of so many `classes`.
    """

    images: Images
    labels: Labels
    indices: Labels
    seed: int
    augment: Augmentation
    classes: int
    mixing: Sequence[CutMix | Mixup] = ()

    @property
    def size(self) -> Size:
        """Height and width of an image."""
        return int(self.images.shape[1]), int(self.images.shape[2])

    def mixing_params(self, epoch: int, device: torch.device) -> list[dict[str, Tensor]]:
        """What each of `mixing` draws for an epoch, on a device, with the partners as indices into `images`."""
        drawn = [_drawn(mix, self.seed, epoch, len(self.labels), len(self.indices), self.size) for mix in self.mixing]
        return [to_device(params | {"partner": self.indices[params["partner"]]}, device) for params in drawn]

    def mixed(
        self,
        samples: Tensor,
        augmented: Callable[[Tensor], Tensor],
        labels: Tensor,
        params: Sequence[dict[str, Tensor]],
    ) -> Batch:
        """The batch of some samples, with what `mixing_params` gives; `augmented` gives the images of any."""
        images, targets = augmented(samples), labels[samples]
        for mix, drawn in zip(self.mixing, params, strict=True):
            partners, parts = drawn["partner"][samples], drawn["part"][samples]
            shares = mix.shares(parts, self.size)

            def mixed(images: Tensor, partners: Tensor, parts: Tensor, mix: CutMix | Mixup = mix) -> Tensor:
                return mix.mix(images, augmented(partners), parts)

            images = apply_where(shares > 0, mixed, images, partners, parts)
            own = targets if targets.ndim == 2 else one_hot(targets, self.classes).float()
            targets = torch.lerp(own, one_hot(labels[partners], self.classes).float(), shares[:, None])
        return images, targets


@functools.lru_cache(maxsize=4)
def _drawn(mix: CutMix | Mixup, seed: int, epoch: int, samples: int, trained: int, size: Size) -> Params:
    """What is drawn for an epoch, kept for the steps to come."""
    return mix.draw(seed, epoch, samples=samples, trained=trained, size=size)


@dataclass(frozen=True)
class ImageRenderer:
    """Renders image by image, on the CPU."""

    source: TrainingImages

    def __call__(self, samples: Tensor, epoch: int) -> Batch:
        """Images and targets of the samples."""
        source = self.source

        def augmented(samples: Tensor) -> Tensor:
            made = np.empty((len(samples), *source.images.shape[1:]), np.uint8)
            for place, sample in enumerate(samples.tolist()):
                made[place] = source.augment(source.images[sample], seed=source.seed, epoch=epoch, sample=sample)
            return torch.from_numpy(made)

        labels = torch.from_numpy(source.labels)
        return source.mixed(samples, augmented, labels, source.mixing_params(epoch, labels.device))


class DeviceRenderer:
    """Renders whole batches on a device, where the images lie once, and an epoch's draws with them."""

    def __init__(self, source: TrainingImages, device: torch.device) -> None:
        self._source, self._device = source, device
        self._read = _reader(source.images, device)
        self._labels = torch.from_numpy(source.labels).to(device)
        self._epoch: int | None = None
        self._table: list[dict[str, Tensor]] = []
        self._mixing: list[dict[str, Tensor]] = []

    def __call__(self, samples: Tensor, epoch: int) -> Batch:
        """Images and targets of the samples, which are on the device too."""
        source = self._source
        if epoch != self._epoch:
            table = source.augment.table(seed=source.seed, epoch=epoch, samples=len(source.labels), size=source.size)
            self._table, self._epoch = [to_device(params, self._device) for params in table], epoch
            self._mixing = source.mixing_params(epoch, self._device)
        return source.mixed(samples, self._augmented, self._labels, self._mixing)

    def _augmented(self, samples: Tensor) -> Tensor:
        return self._source.augment.apply_batch(self._read(samples), self._table, samples)


def choose_augment_on(asked: str, source: TrainingImages, device: torch.device) -> str:
    """Where to augment: 'cpu' for `ImageRenderer`, 'device' for `DeviceRenderer`.

    'auto' is the device if every transform can run there and the images fit beside the network. Raises EmberfieldError
    if the device is asked for and a transform cannot run there.
    """
    if asked == "device":
        source.augment.require_batches()
    if asked != "auto":
        return asked
    fits = device.type != "cuda" or source.images.nbytes < LARGEST_SHARE * torch.cuda.mem_get_info(device)[0]
    return "device" if source.augment.batch_transforms is not None and fits else "cpu"


def _reader(images: Images, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Takes images by their indices, a tensor: on a CPU from where they are, else from a copy on the device."""
    if device.type == "cpu":
        return lambda samples: torch.from_numpy(gather(images, samples.numpy()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it is a file, and only read
        stored = torch.from_numpy(images).to(device)
    return lambda samples: stored[samples]
