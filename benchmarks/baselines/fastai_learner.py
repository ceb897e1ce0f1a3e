"""fastai's Learner.fit, over a DataLoader."""

import functools

from fastai.callback.core import Callback, CancelFitException
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch import Tensor, nn

from benchmarks.baselines.loaders import loader
from benchmarks.baselines.setup import Clock, Setup


class Network(nn.Module):
    """The network in the setup's precision: fastai's own mixed precision is for GPUs."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.setup, self.network = setup, setup.network()

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        with self.setup.autocast():
            logits: Tensor = self.network(images)
        return logits.float()


class Turns(Callback):
    """Normalises each batch, and calls the clock after it."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.clock = setup, Clock(setup)

    def before_batch(self) -> None:
        """Normalises."""
        self.learn.xb = (self.setup.prepare(self.learn.xb[0]),)

    def after_batch(self) -> None:
        """Counts a step."""
        if self.clock():
            raise CancelFitException


def run(setup: Setup) -> None:
    """Trains until the clock has measured."""
    batches = loader(setup)
    optimizer = functools.partial(OptimWrapper, opt=lambda parameters, lr: setup.optimizer(parameters))
    learner = Learner(
        DataLoaders(batches, batches, device=setup.device),
        Network(setup),
        loss_func=setup.loss(),
        opt_func=optimizer,
        lr=0.01,
        cbs=[Turns(setup)],
    )
    learner.fit(1000)
