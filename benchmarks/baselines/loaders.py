"""Images as PyTorch users load them: single images, random transforms, a DataLoader."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.baselines.setup import Setup

Picture = npt.NDArray[np.uint8]
"""An image (H, W, C)."""


class Images(Dataset[tuple[Tensor, int]]):
    """Single images, each changed by `transform` from (H, W, C) to (C, H, W), both uint8."""

    def __init__(self, setup: Setup) -> None:
        self.images, self.labels = setup.images.train_images, setup.images.train_labels
        fill = tuple(round(255 * mean) for mean in setup.statistics.mean)
        self.transform = by_torchvision(setup.config.augmentation.transforms, fill)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """An image and its label."""
        return self.transform(self.images[index]), int(self.labels[index])


def by_torchvision(calls: Iterable[Mapping[str, Any]], fill: tuple[int, ...]) -> Callable[[Picture], Tensor]:
    """A recipe's transforms as torchvision has them, on PIL images as its data sets give them."""
    found = [transform_of(call, fill) for call in calls]
    after = [each for each in found if isinstance(each, transforms.RandomErasing)]
    before = [each for each in found if each not in after]
    change: Callable[[Any], Tensor] = transforms.Compose([*before, transforms.PILToTensor(), *after])
    return lambda image: change(Image.fromarray(image if image.shape[2] == 3 else image[..., 0]))


def transform_of(call: Mapping[str, Any], fill: tuple[int, ...]) -> Any:
    """What torchvision has for one of a recipe's transforms of albumentations."""
    match call["name"]:
        case "HorizontalFlip":
            return transforms.RandomHorizontalFlip(call["p"])
        case "RandomCrop":
            margin = fill if call.get("fill") == "mean" else 0
            return transforms.RandomCrop((call["height"], call["width"]), padding=call["pad"], fill=margin)
        case "ShiftScaleRotate":
            shift, scale = (call["shift_limit"],) * 2, (1 - call["scale_limit"], 1 + call["scale_limit"])
            affine = transforms.RandomAffine(call["rotate_limit"], translate=shift, scale=scale, fill=fill)
            return transforms.RandomApply([affine], call["p"])
        case "CoarseDropout":
            side = call.get("max_height") or call["hole_height_range"][1]
            share = (side * side / 32**2,) * 2  # of the images of 32x32 pixels that it is used on
            return transforms.RandomErasing(call["p"], scale=share, ratio=(1, 1), value=fill)
        case name:
            raise ValueError(f"no baseline has the transform {name!r}")


def loader(setup: Setup) -> DataLoader[Any]:
    """A shuffling DataLoader with the setup's workers."""
    return DataLoader(
        Images(setup),
        setup.batch,
        shuffle=True,
        drop_last=True,
        num_workers=setup.workers,
        pin_memory=setup.device.type == "cuda",
        persistent_workers=setup.workers > 0,
    )
