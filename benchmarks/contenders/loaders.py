"""Data the way the field usually loads it: a Dataset of single images, random transforms, a DataLoader."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.contenders.setup import MEAN, STD, Setup
from framework.data.augment import build_augmentation
from recipes.s7_cifar import DEFAULTS

FILL = tuple(round(255 * mean) for mean in MEAN)


class Images(Dataset[tuple[Tensor, int]]):
    """Single images, each changed by a function from (H, W, C) uint8 to (C, H, W) float32."""

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.int64],
        change: Callable[[npt.NDArray[np.uint8]], Tensor],
    ) -> None:
        self.images, self.labels, self.change = images, labels, change

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """An image and its label."""
        return self.change(self.images[index]), int(self.labels[index])


def by_torchvision(augment: bool) -> Callable[[npt.NDArray[np.uint8]], Tensor]:
    """The sheet's three transforms as torchvision has them, on PIL images as its CIFAR10 gives them."""
    before: list[Any] = []
    after: list[Any] = []
    if augment:
        affine = transforms.RandomAffine(10, translate=(0.0625, 0.0625), scale=(0.9, 1.1), fill=FILL)
        before = [transforms.RandomHorizontalFlip(), transforms.RandomApply([affine], 0.3)]
        after = [transforms.RandomErasing(0.15, scale=(0.25, 0.25), ratio=(1, 1))]  # 16 x 16, the mean is 0
    change = transforms.Compose([*before, transforms.ToTensor(), transforms.Normalize(MEAN, STD), *after])
    return lambda image: change(Image.fromarray(image))


def by_albumentations(augment: bool) -> Callable[[npt.NDArray[np.uint8]], Tensor]:
    """The sheet's three transforms as albumentations draws and runs them, then the same normalisation."""
    pipeline = build_augmentation(DEFAULTS.augmentation.transforms if augment else (), FILL).pipeline
    mean, std = 255 * torch.tensor(MEAN)[:, None, None], 255 * torch.tensor(STD)[:, None, None]

    def change(image: npt.NDArray[np.uint8]) -> Tensor:
        changed = pipeline(image=image)["image"]
        return (torch.tensor(changed).permute(2, 0, 1).float() - mean) / std

    return change


def loader(setup: Setup, change: Callable[[npt.NDArray[np.uint8]], Tensor]) -> DataLoader[Any]:
    """A shuffling DataLoader with the setup's workers."""
    return DataLoader(
        Images(*setup.images(), change),
        setup.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=setup.workers,
        pin_memory=setup.device.type == "cuda",
        persistent_workers=setup.workers > 0,
    )
