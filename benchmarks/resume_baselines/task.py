"""What all of them train: digits, shuffled, with random crops and flips, dropout and a falling learning rate."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

EPOCHS, BATCH, EVERY = 6, 32, 7
"""Epochs of 56 steps, and the steps between two checkpoints."""


class Digits(Dataset[tuple[Tensor, int]]):
    """scikit-learn's digits as (1, 8, 8), each cropped and flipped at random."""

    def __init__(self) -> None:
        digits = load_digits()
        self.images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
        self.labels = digits.target.astype(np.int64)
        self.change = transforms.Compose([transforms.RandomCrop(8, padding=1), transforms.RandomHorizontalFlip()])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """An image as it is augmented this time, and its label."""
        return self.change(self.images[index]), int(self.labels[index])


def loader() -> DataLoader[Any]:
    """Shuffled batches, from a generator with a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    return DataLoader(Digits(), BATCH, shuffle=True, drop_last=True, generator=generator)


def network(in_channels: int = 1) -> nn.Module:
    """Convolutions, batch normalisation and dropout."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.3),
        nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def write_digest(folder: Path, model: nn.Module) -> None:
    """Leaves the SHA-256 of the final weights in final.sha256."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    (folder / "final.sha256").write_text(digest.hexdigest(), encoding="utf-8")
