"""What every baseline gets, and the clock that measures it."""

import resource
import sys
import time
from dataclasses import dataclass
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import SGD

from architectures import create
from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""CIFAR-10's, on the scale 0 to 1."""


@dataclass(frozen=True)
class Setup:
    """One measurement of `steps` steps after `warmup` others.

    `tuned` takes our precision and memory format; otherwise a library has its defaults. `workers` are the processes of
    a DataLoader.
    """

    tuned: bool
    augment: bool
    device: torch.device
    data: str
    batch_size: int
    warmup: int
    steps: int
    workers: int
    precision: str

    @property
    def total(self) -> int:
        """The steps to take."""
        return self.warmup + self.steps

    def network(self) -> nn.Module:
        """The default network on the device."""
        torch.manual_seed(0)
        network = create("c1c2c3c40").to(self.device)
        return network.to(memory_format=torch.channels_last) if self.tuned else network

    def optimizer(self, network: nn.Module) -> SGD:
        """SGD with Nesterov momentum, fused where tuned."""
        return SGD(
            network.parameters(), 0.01, 0.9, weight_decay=5e-4, nesterov=True, fused=True if self.tuned else None
        )

    def loss(self) -> nn.Module:
        """Cross-entropy with label smoothing."""
        return nn.CrossEntropyLoss(label_smoothing=0.1)

    def autocast(self) -> torch.autocast:
        """The precision of a forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.tuned and self.precision == "bfloat16")

    def to_device(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) on the device, in the memory format of the network."""
        form = torch.channels_last if self.tuned else torch.contiguous_format
        return images.to(self.device, non_blocking=True).contiguous(memory_format=form)

    def images(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The training images (N, 32, 32, 3) and their labels (N,) of `data`."""
        found = open_named(self.data, Preprocessing(32))
        return found.train_images, found.train_labels


class Measured(NamedTuple):
    """Images a second, and the bytes that worker processes have to themselves at the last step."""

    images_per_second: float
    worker_bytes: int


class Clock:
    """Measures the steps after the warm-up; call it after each step."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.taken = 0
        self.began = self.ended = 0.0
        self.worker_bytes = 0

    def __call__(self) -> bool:
        """Counts a step; whether all have been taken."""
        self.taken += 1
        if self.taken == self.setup.warmup:
            self.began = self._now()
        if self.taken == self.setup.total:
            self.ended = self._now()
            self.worker_bytes = sum(private_bytes(process) for process in active_children())
        return self.taken >= self.setup.total

    @property
    def measured(self) -> Measured:
        """Over the measured steps."""
        return Measured(self.setup.steps * self.setup.batch_size / (self.ended - self.began), self.worker_bytes)

    def _now(self) -> float:
        if self.setup.device.type == "cuda":
            torch.cuda.synchronize(self.setup.device)
        return time.perf_counter()


def peak_bytes(device: torch.device) -> int:
    """The most memory that was in use: allocated on the GPU, or resident in this process, without its workers."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def private_bytes(process: BaseProcess) -> int:
    """What a process has in memory that it shares with no other, on Linux; 0 elsewhere."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
