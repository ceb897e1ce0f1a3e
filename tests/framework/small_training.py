"""A training small enough for a test: real digits as 1x28x28 grey images, GroupNorm, dropout, no CIFAR anywhere."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from framework.checkpoint.manager import latest_checkpoint
from framework.checkpoint.metadata import ModelMetadata
from framework.checkpoint.training_state import TrainingState
from framework.config import Config
from framework.data.data_module import DataModule, setup
from framework.data.rendering import choose_augment_on
from framework.engine.fit import fit
from framework.engine.training import Extensions, make_training
from framework.run.directory import RunDirectory
from framework.run.environment import choose_device
from framework.run.history import EpochMetrics
from framework.run.signals import Stop
from framework.seeding import torch_seed

CPU = torch.device("cpu")
DEFAULTS = {
    "device": "cpu",
    "precision": "float32",
    "val_size": 100,
    "epochs": 4,
    "batch_size": 50,
    "lr": 0.05,
    "ema_decay": 0.9,
    "image_size": 28,
}


@functools.cache
def grey_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 28, 28) with a margin of 2, and their labels."""
    digits = load_digits()
    images = np.zeros((len(digits.images), 28, 28), np.uint8)
    images[:, 2:26, 2:26] = np.kron(digits.images, np.ones((1, 3, 3))) * 15
    return images, digits.target.astype(np.int64)


def small_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1),
        nn.GroupNorm(2, 8),
        nn.SiLU(),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.Dropout(0.2),
        nn.AvgPool2d(3),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


@dataclasses.dataclass
class SmallTraining:
    """A training as a recipe puts it together, for a test to look into."""

    state: TrainingState
    images: DataModule
    config: Config
    folder: Path
    logged: list[EpochMetrics]
    stop: Stop
    extensions: Extensions

    def run(self) -> None:
        device = choose_device(self.config.machine.device)
        fit(
            self.state,
            self.images,
            self.config,
            RunDirectory(self.folder),
            device=device,
            log=self.logged.append,
            stop=self.stop,
            extensions=self.extensions,
        )

    def resume(self) -> None:
        """Goes on from the newest checkpoint in the folder, if there is one."""
        found = latest_checkpoint(RunDirectory(self.folder))
        if found:
            path, checkpoint = found
            self.state.load_state_dict(checkpoint, path.name, max_epochs=self.config.training.epochs)


def make_small_training(
    folder: Path,
    network: Callable[[], nn.Module] = small_network,
    extensions: Extensions | None = None,
    **changes: object,
) -> SmallTraining:
    """`changes` are settings by their names; the images lie beside the run's folder."""
    data = folder.parent / "grey_digits.npz"
    if not data.exists():
        x, y = grey_digits()
        np.savez(data, x_train=x[:600], y_train=y[:600], x_test=x[600:900], y_test=y[600:900])
    folder.mkdir(exist_ok=True)
    shift = ({"name": "Affine", "translate_px": (-2, 2), "p": 0.5},)
    config = Config().updated(DEFAULTS | {"data": str(data), "transforms": shift} | changes)
    images = setup(config)
    torch.manual_seed(torch_seed(config.training.seed, "weights"))
    metadata = ModelMetadata(
        arch="small",
        arch_options={},
        in_channels=1,
        image_size=28,
        class_names=list(images.data.class_names),
        mean=list(images.statistics.mean),
        std=list(images.statistics.std),
        data=images.data.name,
        data_hash=images.data.fingerprint(),
        precision=config.machine.precision,
        augment_on=choose_augment_on(config.machine.augment_on, images.training, CPU),
    )
    device = choose_device(config.machine.device)
    extensions = extensions or Extensions()
    state = make_training(network().to(device), config, images, device=device, metadata=metadata, extensions=extensions)
    return SmallTraining(state, images, config, folder, [], Stop(), extensions)
