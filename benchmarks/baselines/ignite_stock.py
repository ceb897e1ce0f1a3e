"""Ignite's own way: create_supervised_trainer, a DataLoader, torchvision's transforms."""

from ignite.engine import Engine, Events, create_supervised_trainer
from torch import Tensor, nn

from benchmarks.baselines.loaders import by_torchvision, loader
from benchmarks.baselines.setup import Clock, Measured, Setup


def run(setup: Setup) -> Measured:
    """Images a second, and the memory of workers."""
    network = setup.network()
    trainer = create_supervised_trainer(
        network,
        setup.optimizer(network),
        setup.loss(),
        setup.device,
        prepare_batch=lambda batch, device, non_blocking: (setup.to_device(batch[0]), batch[1].to(device)),
        model_fn=lambda model, images: _forward(setup, model, images),
    )
    clock = Clock(setup)

    def count(engine: Engine) -> None:
        if clock():
            engine.terminate()

    trainer.add_event_handler(Events.ITERATION_COMPLETED, count)
    trainer.run(loader(setup, by_torchvision(setup.augment)), max_epochs=1000)
    return clock.measured


def _forward(setup: Setup, model: nn.Module, images: Tensor) -> Tensor:
    with setup.autocast():
        logits: Tensor = model(images)
    return logits.float()
