"""Ignite's own way: create_supervised_trainer, a DataLoader, torchvision's transforms."""

from ignite.engine import Engine, Events, create_supervised_trainer
from torch import Tensor, nn

from benchmarks.baselines.loaders import loader
from benchmarks.baselines.setup import Clock, Setup


def run(setup: Setup) -> None:
    """Trains until the clock has measured."""
    network = setup.network()
    trainer = create_supervised_trainer(
        network,
        setup.optimizer(network.parameters()),
        setup.loss(),
        setup.device,
        prepare_batch=lambda batch, device, non_blocking: (setup.prepare(batch[0]), batch[1].to(device)),
        model_fn=lambda model, images: _forward(setup, model, images),
    )
    clock = Clock(setup)

    def count(engine: Engine) -> None:
        if clock():
            engine.terminate()

    trainer.add_event_handler(Events.ITERATION_COMPLETED, count)
    trainer.run(loader(setup), max_epochs=1000)


def _forward(setup: Setup, model: nn.Module, images: Tensor) -> Tensor:
    with setup.autocast():
        logits: Tensor = model(images)
    return logits.float()
