"""A pipeline of transforms, its draws, and the two ways to run it: image by image, or on a batch on its device."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from framework.data.augment.affine import Affine
from framework.data.augment.batch_transform import BatchTransform, Params, Resizing, Size
from framework.data.augment.coarse_dropout import CoarseDropout
from framework.data.augment.horizontal_flip import HorizontalFlip
from framework.data.augment.random_crop import Pad, RandomCrop
from framework.errors import EmberfieldError
from framework.seeding import block_generator, sample_generators

BLOCK = 4096
"""Samples whose parameters are drawn together."""

_AFFINE = (Affine.of, "bilinear, constant border, no shear")
_PAD = (Pad.of, "constant border, always applied, about the middle")
BATCH_TRANSFORMS: Mapping[str, tuple[Callable[[Any], BatchTransform | None], str]] = {
    "Affine": _AFFINE,
    "AlternatingFlip": (HorizontalFlip, ""),
    "CoarseDropout": (CoarseDropout.of, "constant fill"),
    "HorizontalFlip": (HorizontalFlip, ""),
    "Pad": _PAD,
    "PadIfNeeded": _PAD,
    "RandomCrop": (RandomCrop.of, "always applied, no padding of its own"),
    "ShiftScaleRotate": _AFFINE,
}
"""What stands for an albumentations transform, by the name of its class, with the form that is covered.

For another form it is None.
"""


def batch_transform(transform: Any) -> BatchTransform | None:
    """What stands for an albumentations transform, None if nothing does."""
    make, _ = BATCH_TRANSFORMS.get(type(transform).__name__, (lambda _: None, ""))
    return make(transform)


def first_line(error: Exception) -> str:
    """An error's type, and the first line of its message."""
    return ": ".join((type(error).__name__, *str(error).splitlines()[:1]))


def described(image: object) -> str:
    """An image's type and shape, e.g. 'uint8 32x32x3'."""
    if not isinstance(image, np.ndarray):
        return type(image).__name__
    return f"{image.dtype} {'x'.join(map(str, image.shape))}"


class Augmentation:
    """A pipeline of albumentations' transforms and the `calls` that made them.

    Where every transform has a `BatchTransform`, parameters come from a table: a function of (seed, epoch, sample),
    drawn in blocks of samples, for both ways of running. Else `batch_transforms` is None: the transforms draw for
    themselves, from generators with the same keys, and run image by image alone.
    """

    def __init__(self, pipeline: Any, calls: tuple[dict[str, Any], ...]) -> None:
        self.pipeline, self.calls = pipeline, calls
        found = [batch_transform(each) for each in pipeline.transforms]
        covered = [transform for transform in found if transform is not None]
        self.batch_transforms = tuple(covered) if len(covered) == len(found) else None
        self._blocks: dict[tuple[int, int, int, Size], list[Params]] = {}
        if self.batch_transforms is None and any(call["name"] == "AlternatingFlip" for call in calls):
            others = [type(each).__name__ for each, batch in zip(pipeline.transforms, found, strict=True) if not batch]
            raise EmberfieldError(f"AlternatingFlip cannot stand beside {', '.join(others)}; HorizontalFlip can")

    def require_batches(self) -> None:
        """Raises EmberfieldError, naming each transform that cannot run on a batch, and all that can, if one cannot."""
        if self.batch_transforms is None:
            others = [type(each).__name__ for each in self.pipeline.transforms if batch_transform(each) is None]
            valid = [f"{name} ({form})" if form else name for name, (_, form) in BATCH_TRANSFORMS.items()]
            raise EmberfieldError(
                f"augment_on is 'device', where {' and '.join(others)} cannot run as declared; what can: "
                f"{', '.join(valid)}; valid: 'cpu', 'auto'"
            )

    @property
    def effective(self) -> tuple[dict[str, Any], ...]:
        """What the transforms are set to, defaults and all, each with its name."""
        return tuple(
            {"name": type(each).__name__, "p": each.p}
            | {name: getattr(each, name) for name in each.get_transform_init_args_names() if hasattr(each, name)}
            for each in self.pipeline.transforms
        )

    def __call__(self, image: npt.NDArray[np.uint8], *, seed: int, epoch: int, sample: int) -> npt.NDArray[np.uint8]:
        """The image (H, W, C) of this sample of this epoch, augmented; the keys decide every draw.

        Raises EmberfieldError if a transform fails on it, or gives another type or shape.
        """
        if self.batch_transforms is None:
            self.pipeline.set_random_state(*sample_generators(seed, epoch, sample))
            where = f"training image {sample} in epoch {epoch + 1}, {described(image)}"
            try:
                changed: npt.NDArray[np.uint8] = self.pipeline(image=image)["image"]
            except Exception as error:  # albumentations and OpenCV raise any kind
                raise EmberfieldError(f"the transforms cannot be applied to {where}: {first_line(error)}") from error
            if described(changed) != described(image):
                raise EmberfieldError(f"the transforms turn {where}, into {described(changed)}")
            return changed
        block, row = divmod(sample, BLOCK)
        drawn = self._block(seed, epoch, block, image.shape[:2])
        for transform, params in zip(self.batch_transforms, drawn, strict=True):
            image = transform.apply_one(image, {name: values[row] for name, values in params.items()})
        return image

    def table(self, *, seed: int, epoch: int, samples: int, size: Size) -> list[Params]:
        """The parameters of each of the `batch_transforms` for the samples 0 to `samples` - 1 of an epoch."""
        blocks = [self._block(seed, epoch, block, size) for block in range(-(-samples // BLOCK))]
        return [
            {name: np.concatenate([part[name] for part in parts])[:samples] for name in parts[0]}
            for parts in zip(*blocks, strict=True)
        ]

    def apply_batch(self, images: Tensor, table: Sequence[dict[str, Tensor]], samples: Tensor) -> Tensor:
        """uint8 images (N, H, W, C) of some `samples` (N,) changed on their device, where the `table` is too."""
        assert self.batch_transforms is not None
        for transform, params in zip(self.batch_transforms, table, strict=True):
            images = transform.apply_batch(images, {name: values[samples] for name, values in params.items()})
        return images

    def _block(self, seed: int, epoch: int, block: int, size: Size) -> list[Params]:
        key = (seed, epoch, block, size)
        if key not in self._blocks:
            assert self.batch_transforms is not None
            self._blocks = {old: drawn for old, drawn in self._blocks.items() if epoch - 1 <= old[1] <= epoch}
            drawn = self._blocks[key] = []
            for place, transform in enumerate(self.batch_transforms):
                if isinstance(transform, HorizontalFlip) and transform.alternates:
                    first = transform.draw(block_generator(seed, 0, block, place), BLOCK, size)
                    drawn.append(transform.alternated(first, epoch))
                else:
                    drawn.append(transform.draw(block_generator(seed, epoch, block, place), BLOCK, size))
                size = transform.resized(size) if isinstance(transform, Resizing) else size
        return self._blocks[key]
