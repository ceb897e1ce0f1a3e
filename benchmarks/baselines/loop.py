"""A plain PyTorch loop with a DataLoader."""

from collections.abc import Callable, Iterable

from torch import Tensor

from benchmarks.baselines.loaders import loader
from benchmarks.baselines.setup import Clock, Setup


def run(setup: Setup) -> None:
    """Trains until the clock has measured."""
    train(setup, loader(setup), setup.prepare)


def train(setup: Setup, batches: Iterable[tuple[Tensor, Tensor]], prepare: Callable[[Tensor], Tensor]) -> None:
    """Trains on batches, over and over, whose images `prepare` makes ready."""
    network, loss, clock = setup.network(), setup.loss(), Clock(setup)
    optimizer = setup.optimizer(network.parameters())
    while True:
        for images, labels in batches:
            with setup.autocast():
                logits = network(prepare(images))
            value = loss(logits.float(), labels.to(setup.device))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            if clock():
                return
