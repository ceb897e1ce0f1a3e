"""What every baseline gets, and the clock that measures it in turns."""

import functools
import importlib
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD

from architectures import create
from framework.config import Config
from framework.data.data_module import preprocessing_of
from framework.data.image_data import ImageData
from framework.data.registry import open_named
from framework.data.statistics import Statistics, channel_statistics
from framework.experiment import Experiment

MADE_UP = {"cifar10": (32, 3, 10), "fashion_mnist": (28, 1, 10), "tiny_imagenet": (64, 3, 200)}
"""Side, channels and classes of the images that are made up for a recipe's data set."""

MADE_UP_BYTES = 150_000_000
"""As many are made up as this holds: more than an epoch is not measured."""


@dataclass(frozen=True)
class Setup:
    """One measurement: `warmup` steps, then turns of at least `steps` steps and `seconds` seconds.

    `next_turn` is given the images a second of the turn before, None before the first, and returns when the next one
    may begin, False if there is none. `data` names images; without it they are made up. `workers` are the processes of
    a DataLoader, `channels_last` is the memory format, `batch_size` is the recipe's if it is None.
    """

    recipe: str
    channels_last: bool
    precision: str
    device: torch.device
    data: str | None
    batch_size: int | None
    workers: int
    warmup: int
    steps: int
    seconds: float
    next_turn: Callable[[float | None], bool]

    @functools.cached_property
    def experiment(self) -> Experiment:
        """That of the recipe."""
        experiment: Experiment = importlib.import_module(f"recipes.{self.recipe}").EXPERIMENT
        return experiment

    @property
    def config(self) -> Config:
        """The recipe's."""
        return self.experiment.defaults

    @property
    def batch(self) -> int:
        """Images of a step."""
        return self.batch_size or self.config.training.batch_size

    @functools.cached_property
    def images(self) -> ImageData:
        """What is trained on."""
        if self.data is not None:
            return open_named(self.data, preprocessing_of(self.config))
        side, channels, classes = MADE_UP[self.config.data.data or "cifar10"]
        count = MADE_UP_BYTES // (side * side * channels)
        images = np.random.default_rng(0).integers(0, 256, (count, side, side, channels), np.uint8)
        labels = np.arange(count) % classes
        return ImageData("made up", images, labels, images[-classes:], labels[-classes:], (*map(str, range(classes)),))

    @functools.cached_property
    def statistics(self) -> Statistics:
        """Mean and deviation of the images."""
        return channel_statistics(self.images.train_images)

    def network(self) -> nn.Module:
        """The recipe's network on the device, in training mode."""
        torch.manual_seed(0)
        chosen, images = self.config.network, self.images
        options = {"num_classes": images.num_classes, "in_channels": images.channels, **chosen.arch_options}
        network = create(chosen.arch, **options).to(self.device).train()
        return network.to(memory_format=torch.channels_last) if self.channels_last else network

    def optimizer(self, parameters: object) -> SGD:
        """SGD with Nesterov momentum, fused."""
        return SGD(parameters, 0.01, 0.9, weight_decay=5e-4, nesterov=True, fused=True)  # type: ignore[arg-type]

    def loss(self) -> nn.Module:
        """Cross-entropy with the recipe's label smoothing."""
        return nn.CrossEntropyLoss(label_smoothing=self.config.optimization.label_smoothing)

    def autocast(self) -> torch.autocast:
        """The precision of a forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    @functools.cached_property
    def prepare(self) -> Callable[[Tensor], Tensor]:
        """A function from uint8 images (N, C, H, W) to normalised ones on the device, in the memory format."""
        form = torch.channels_last if self.channels_last else torch.contiguous_format
        mean, std = (
            255 * torch.tensor(values, device=self.device)[:, None, None]
            for values in (self.statistics.mean, self.statistics.std)
        )

        def prepared(images: Tensor) -> Tensor:
            return images.to(self.device, torch.float32, non_blocking=True, memory_format=form).sub_(mean).div_(std)

        return prepared


class Clock:
    """Measures turns; call it after each step."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.taken, self.began = -setup.warmup, 0.0

    def __call__(self) -> bool:
        """Counts a step; whether it was the last."""
        self.taken += 1
        if self.taken < 0 or self.taken % self.setup.steps:
            return False
        seconds = self._now() - self.began
        if self.taken > 0 and seconds < self.setup.seconds:
            return False
        goes_on = self.setup.next_turn(self.taken * self.setup.batch / seconds if self.taken else None)
        self.taken, self.began = 0, self._now()
        return not goes_on

    def _now(self) -> float:
        if self.setup.device.type == "cuda":
            torch.cuda.synchronize(self.setup.device)
        return time.perf_counter()


def peak_bytes(device: torch.device) -> int:
    """The most memory that was in use: allocated on the GPU, or resident in this process and private to its workers."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit + sum(map(private_bytes, active_children()))


def private_bytes(process: BaseProcess) -> int:
    """What a process has in memory that it shares with no other, on Linux; 0 elsewhere."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
