"""A training small enough for a test: real digits as 1x28x28 grey images, GroupNorm, dropout, no CIFAR anywhere."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from framework.config import OptimizationConfig
from framework.data import TrainingBatches, channel_statistics, evaluation_batches, held_out_split
from framework.description import Description
from framework.engines import make_ema, make_evaluator, make_trainer
from framework.handlers import after_every_epoch, average_over_epoch, make_early_stopping
from framework.optimization import make_optimizer, make_schedule
from framework.randomness import torch_seed
from framework.run_directory import RunDirectory
from framework.training_state import Record, TrainingState

CPU = torch.device("cpu")
DESCRIPTION = Description(
    arch="small",
    arch_options={},
    in_channels=1,
    image_size=28,
    class_names=[str(digit) for digit in range(10)],
    mean=[0.0],
    std=[1.0],
    data="digits",
    data_hash="",
    precision="float32",
)


def grey_digits() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    padded = np.zeros((len(digits.images), 28, 28, 1), np.uint8)
    padded[:, 2:26, 2:26, 0] = np.kron(digits.images, np.ones((1, 3, 3))) * 15
    return padded, digits.target.astype(np.int64)


def shifted(image: np.ndarray, *, seed: int, epoch: int, sample: int) -> np.ndarray:
    return np.roll(image, (seed + epoch + sample) % 3, axis=1)


def small_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1),
        nn.GroupNorm(2, 8),
        nn.SiLU(),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


@dataclasses.dataclass
class SmallTraining:
    """The parts that a recipe puts together, for a test to look into."""

    state: TrainingState
    batches: TrainingBatches
    epochs: int
    logged: list[Record]

    def run(self) -> None:
        start, steps = self.state.trainer.state.iteration, self.epochs * self.batches.epoch_length
        self.state.trainer.run(
            self.batches.stream(start, steps, 0), max_epochs=self.epochs, epoch_length=self.batches.epoch_length
        )


def make_training(
    folder: Path,
    *,
    epochs: int = 4,
    seed: int = 0,
    lr: float = 0.05,
    patience: int | None = None,
    patience_from: float = 2 / 3,
    ema_decay: float | None = 0.9,
    holdout: int = 100,
    network: Callable[[], nn.Module] = small_network,
) -> SmallTraining:
    images, labels = grey_digits()
    images, labels = images[:600], labels[:600]
    trained, held_out = held_out_split(labels, holdout, seed)
    statistics = channel_statistics(images)
    batches = TrainingBatches(images=images, labels=labels, indices=trained, batch_size=50, seed=seed, augment=shifted)
    torch.manual_seed(torch_seed(seed, "weights"))
    model = network()
    config = OptimizationConfig(lr=lr)
    optimizer = make_optimizer(model, config)
    schedule = make_schedule(optimizer, epochs * batches.epoch_length, config)
    ema = make_ema(model, ema_decay)
    trainer = make_trainer(
        model,
        optimizer,
        schedule,
        loss=nn.CrossEntropyLoss(),
        statistics=statistics,
        device=CPU,
        precision="float32",
        seed=seed,
        ema=ema,
    )
    state = TrainingState(
        model=model,
        optimizer=optimizer,
        schedule=schedule,
        trainer=trainer,
        ema=ema,
        early_stopping=make_early_stopping(trainer, patience),
        description=DESCRIPTION,
    )
    logged: list[Record] = []
    average_over_epoch(trainer, CPU)
    after_every_epoch(
        state,
        RunDirectory(folder),
        evaluator=make_evaluator(state.evaluated, statistics=statistics, device=CPU, precision="float32"),
        held_out=(lambda: evaluation_batches(images, labels, held_out, batch_size=60)) if holdout else None,
        patience_from=patience_from,
        log=logged.append,
    )
    return SmallTraining(state, batches, epochs, logged)
