"""A plain PyTorch loop with a DataLoader and albumentations."""

from benchmarks.baselines.loaders import by_albumentations, loader
from benchmarks.baselines.setup import Clock, Measured, Setup


def run(setup: Setup) -> Measured:
    """Images a second, and the memory of workers."""
    network, loss = setup.network().train(), setup.loss()
    optimizer = setup.optimizer(network)
    batches, clock = loader(setup, by_albumentations(setup.augment)), Clock(setup)
    while True:
        for images, labels in batches:
            with setup.autocast():
                logits = network(setup.to_device(images))
            value = loss(logits.float(), labels.to(setup.device))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            if clock():
                return clock.measured
