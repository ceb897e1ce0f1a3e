"""From (seed, epoch, sample) to augmented batches: one plan of random draws, and two ways to render it.

The draws depend neither on the worker nor on the batch. Images are rendered one by one by albumentations, in workers if
asked, or as whole batches on the device where the network runs. Both give the same samples, draws and targets; pixels
of an affine transform can differ by a grey level.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from framework.data.augment import Augmentation
from framework.data.augment.batch_transform import Params, Size, to_device
from framework.data.augment.cutmix import CutMix, draw_cutmix
from framework.data.augment.mixup import Mixup, draw_mixup
from framework.data.image_data import Images, Labels
from framework.data.memory_map import gather
from framework.errors import EmberfieldError

Batch = tuple[Tensor, Tensor]
"""Images (N, H, W, C) as uint8 and labels (N,) as int64; of mixed images the class shares (N, classes) as float32."""

LARGEST_SHARE = 0.5
"""The share of a GPU's free memory that the images may take before 'auto' leaves them to the CPU."""


class Augment(Protocol):
    """Changes one uint8 image (H, W, C), depending on nothing but the image and the keys."""

    def __call__(self, image: Images, *, seed: int, epoch: int, sample: int) -> Images:
        """The augmented image, of the same shape."""


@dataclass(frozen=True, kw_only=True)
class TrainingImages:
    """All training images (N, H, W, C) and labels (N,), the `indices` trained on, and how an epoch augments them.

    With `cutmix`, parts of others of the `indices` are pasted into an image, augmented too; with `mixup`, others are
    then blended with it.
    """

    images: Images
    labels: Labels
    indices: Labels
    seed: int
    augment: Augment
    cutmix: CutMix | None = None
    mixup: Mixup | None = None

    @property
    def size(self) -> Size:
        """Height and width of an image."""
        return int(self.images.shape[1]), int(self.images.shape[2])

    def cutmix_params(self, epoch: int) -> Params:
        """What `draw_cutmix` gives for an epoch, with the partners as indices into `images`."""
        assert self.cutmix is not None
        samples, trained = len(self.labels), len(self.indices)
        params = draw_cutmix(self.cutmix.p, self.seed, epoch, samples=samples, trained=trained, size=self.size)
        return params | {"partner": self.indices[params["partner"]]}

    def mixing_params(self, epoch: int, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The draws of CutMix and of Mixup for an epoch, on a device; none of what there is not."""
        cutmix = {} if self.cutmix is None else to_device(self.cutmix_params(epoch), device)
        if self.mixup is None:
            return cutmix, {}
        samples, trained = len(self.labels), len(self.indices)
        drawn = draw_mixup(self.mixup.p, self.mixup.alpha, self.seed, epoch, samples=samples, trained=trained)
        return cutmix, to_device(drawn | {"partner": self.indices[drawn["partner"]]}, device)

    def mixed(
        self,
        samples: Tensor,
        augmented: Callable[[Tensor], Tensor],
        labels: Tensor,
        params: tuple[dict[str, Tensor], dict[str, Tensor]],
    ) -> Batch:
        """The batch of some samples, with what `mixing_params` gives; `augmented` gives the images of any."""
        cutmix, mixup = params
        if self.cutmix is None:
            batch = augmented(samples), labels[samples]
        else:
            batch = self.cutmix(samples, augmented, labels, **cutmix)
        return batch if self.mixup is None else self.mixup(samples, augmented, labels, batch, **mixup)


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
        assert isinstance(source.augment, Augmentation)
        self._source, self._augmentation, self._device = source, source.augment, device
        self._read = _reader(source.images, device)
        self._labels = torch.from_numpy(source.labels).to(device)
        self._epoch: int | None = None
        self._table: list[dict[str, Tensor]] = []
        self._mixing: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})

    def __call__(self, samples: Tensor, epoch: int) -> Batch:
        """Images and targets of the samples, which are on the device too."""
        if epoch != self._epoch:
            self._draw(epoch)
        return self._source.mixed(samples, self._augmented, self._labels, self._mixing)

    def _draw(self, epoch: int) -> None:
        source = self._source
        table = self._augmentation.table(seed=source.seed, epoch=epoch, samples=len(source.labels), size=source.size)
        self._table, self._epoch = [to_device(params, self._device) for params in table], epoch
        self._mixing = source.mixing_params(epoch, self._device)

    def _augmented(self, samples: Tensor) -> Tensor:
        return self._augmentation.apply_batch(self._read(samples), self._table, samples)


def choose_augment_on(asked: str, source: TrainingImages, device: torch.device) -> str:
    """Where to augment: 'cpu' for `ImageRenderer`, 'device' for `DeviceRenderer`.

    'auto' is the device if every transform can run there and the images fit beside the network. Raises EmberfieldError
    if the device is asked for and a transform cannot run there.
    """
    augment = source.augment
    batched = isinstance(augment, Augmentation) and augment.batch_transforms is not None
    if asked == "device" and not batched:
        raise EmberfieldError(
            "augment_on is 'device', where HorizontalFlip, ShiftScaleRotate or Affine (bilinear, constant border, no "
            "shear), CoarseDropout (constant fill), RandomCrop, and Pad or PadIfNeeded (constant border) can run, and "
            "no other transform; valid: 'cpu', 'auto'"
        )
    if asked != "auto":
        return asked
    fits = device.type != "cuda" or source.images.nbytes < LARGEST_SHARE * torch.cuda.mem_get_info(device)[0]
    return "device" if batched and fits else "cpu"


def _reader(images: Images, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Takes images by their indices, a tensor: on a CPU from where they are, else from a copy on the device."""
    if device.type == "cpu":
        return lambda samples: torch.from_numpy(gather(images, samples.numpy()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it is a file, and only read
        stored = torch.from_numpy(images).to(device)
    return lambda samples: stored[samples]
