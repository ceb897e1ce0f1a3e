"""Lightning's Trainer with its defaults, a DataLoader and torchvision's transforms."""

import logging
import tempfile
import warnings
from typing import Any

import lightning
import torch
from torch import Tensor

from benchmarks.baselines.loaders import loader
from benchmarks.baselines.setup import Clock, Setup


class Module(lightning.LightningModule):
    """The network with its loss and optimizer."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.setup, self.network, self.loss = setup, setup.network(), setup.loss()

    def training_step(self, batch: Any, _index: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch
        logits = self.network(self.setup.prepare(images))
        value: Tensor = self.loss(logits.float(), labels)
        self.log("loss", value)
        return value

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The setup's optimizer."""
        return self.setup.optimizer(self.network.parameters())


class Count(lightning.Callback):
    """Calls the clock after every step."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Counts a step."""
        trainer.should_stop = self.clock()


def run(setup: Setup) -> None:
    """Trains until the clock has measured."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    clock = Clock(setup)
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=1000,
            accelerator="gpu" if setup.device.type == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if setup.precision == "bfloat16" else "32-true",
            default_root_dir=folder,
            callbacks=[Count(clock)],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Module(setup), loader(setup))
