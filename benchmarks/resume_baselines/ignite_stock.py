"""Ignite's Checkpoint and DiskSaver."""

from pathlib import Path

import torch
from ignite.engine import Events, create_supervised_trainer
from ignite.handlers import Checkpoint, DiskSaver, global_step_from_engine
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LinearLR

from benchmarks.resume_baselines.task import EVERY, loader, network


def train(folder: Path, epochs: int) -> nn.Module:
    """The stock way: trainer, network, optimizer and schedule in one checkpoint, the newest two kept."""
    torch.manual_seed(0)
    model, batches = network(), loader()
    optimizer = SGD(model.parameters(), 0.05, 0.9)
    schedule = LinearLR(optimizer, 1.0, 0.01, epochs * len(batches))
    trainer = create_supervised_trainer(model, optimizer, nn.CrossEntropyLoss())
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: schedule.step())
    parts = {"trainer": trainer, "model": model, "optimizer": optimizer, "schedule": schedule}
    saver = DiskSaver(str(folder), create_dir=True, require_empty=False)
    step = global_step_from_engine(trainer, Events.ITERATION_COMPLETED)
    save = Checkpoint(parts, saver, n_saved=2, global_step_transform=step)
    trainer.add_event_handler(Events.ITERATION_COMPLETED(every=EVERY), save)
    saved = sorted(folder.glob("checkpoint_*.pt"), key=lambda path: int(path.stem.split("_")[1]))
    if saved:
        Checkpoint.load_objects(parts, str(saved[-1]))
    trainer.run(batches, max_epochs=epochs)
    return model
