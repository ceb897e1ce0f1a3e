"""Lightning's ModelCheckpoint and ckpt_path."""

import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LinearLR

from benchmarks.resume_baselines.task import EVERY, loader, network


class Module(lightning.LightningModule):
    """The network with its loss, optimizer and schedule."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.loss = network(), nn.CrossEntropyLoss()

    def training_step(self, batch: Any, _index: int) -> Tensor:
        """The loss of a batch."""
        value: Tensor = self.loss(self.network(batch[0]), batch[1])
        return value

    def configure_optimizers(self) -> Any:
        """SGD with a rate that falls at every step."""
        optimizer = SGD(self.parameters(), 0.05, 0.9)
        schedule = LinearLR(optimizer, 1.0, 0.01, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(folder: Path, epochs: int) -> nn.Module:
    """The stock way: seed_everything, the last checkpoint every few steps, resumed by its path."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    lightning.seed_everything(0, workers=True, verbose=False)
    module = Module()
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder, every_n_train_steps=EVERY, save_last=True, save_top_k=0)],
    )
    last = folder / "last.ckpt"
    trainer.fit(module, loader(), ckpt_path=str(last) if last.exists() else None)
    return module.network
