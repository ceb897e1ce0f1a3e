"""The learning-rate range test (Smith 2017, "Cyclical learning rates", section 3.3), by Ignite's FastaiLRFinder."""

import contextlib
import copy
import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from ignite.engine import Events
from ignite.handlers import FastaiLRFinder
from torch import nn

from framework.checkpoint.training_state import TrainingState
from framework.config import Config
from framework.data.data_module import DataModule
from framework.errors import EmberfieldError, NonFiniteError
from framework.run.environment import default_workers
from framework.run.signals import Stop


@dataclass(frozen=True)
class RateTest:
    """The `losses`, smoothed, of the steps at rising `rates`, and a tenth of the rate at which they were lowest.

    Where the loss falls evenly over decades of rates, the steepest place, which Ignite suggests, is an accident.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


@dataclass(frozen=True, kw_only=True)
class RateRange:
    """The rates of a test: from `start` to `end` in so many `steps`, by a constant factor."""

    start: float = 1e-5
    end: float = 10.0
    steps: int = 100

    def __post_init__(self) -> None:
        if not (0 < self.start < self.end < math.inf and self.steps >= 10):
            asked = f"from {self.start:g} to {self.end:g} in {self.steps} steps"
            raise EmberfieldError(f"the rates go {asked}; they have to rise from above 0, in 10 steps or more")


SMOOTHING = 0.1
"""A step's weight in the smoothed loss: Ignite's 0.05 lags by a fifth of a test, and so suggests too high a rate."""

DEFAULT_RANGE = RateRange()
"""What `--lr find` tries."""


def range_test(
    network: nn.Module,
    config: Config,
    data: DataModule,
    make: Callable[..., TrainingState],
    *,
    rates: RateRange = DEFAULT_RANGE,
    stop: Stop | None = None,
) -> RateTest:
    """Trains a copy of the network on the first batches at rising rates, until its loss diverges.

    `make` puts a training together, as `make_training` does, of a network, a configuration and data. `stop` ends the
    test at any step.
    Raises EmberfieldError where no rate can be suggested, and for Muon, which has two.
    """
    if config.optimization.optimizer == "muon":
        raise EmberfieldError("muon has two learning rates, and --lr find is for one: give --lr and --muon-lr")
    tested = config.updated(
        {"lr": rates.start, "schedule": "constant", "ema_decay": None, "patience": None, "on_nonfinite": "stop"}
        | {"compile": False, "no_cuda_graph": True}  # which would have the rate of the first steps for ever
    )
    state = make(copy.deepcopy(network), tested, data, handlers=False)
    device, augment_on = state.sums.values.device, state.metadata.augment_on
    workers = default_workers(device) if config.machine.workers is None else config.machine.workers
    batches = data.train_loader(0, rates.steps, augment_on=augment_on, device=device, workers=workers)
    if stop is not None:
        state.trainer.add_event_handler(Events.ITERATION_COMPLETED, stop.check)
    finder = FastaiLRFinder()
    finder.logger.setLevel(logging.WARNING)
    attached = finder.attach(
        state.trainer,
        {"optimizer": state.optimizer},
        output_transform=lambda output: float(output[0]),
        num_iter=rates.steps,
        start_lr=rates.start,
        end_lr=rates.end,
        smooth_f=SMOOTHING,
    )
    with warnings.catch_warnings(), contextlib.suppress(NonFiniteError), attached:
        warnings.filterwarnings("ignore", "Run completed without loss diverging", UserWarning)
        state.trainer.run(
            batches if stop is None else stop.ending_waits(batches), max_epochs=1, epoch_length=rates.steps
        )
    return _read(finder, rates)


def _read(finder: FastaiLRFinder, rates: RateRange) -> RateTest:
    found = finder.get_results()
    rates_tried, losses = tuple(each[0] for each in found["lr"]), tuple(found["loss"])  # of all groups alike
    lowest = min(range(len(losses)), key=losses.__getitem__, default=0)
    if lowest == 0:
        raise EmberfieldError(
            f"no rate from {rates.start:g} to {rates.end:g} can be suggested: the loss did not fall; give --lr"
        )
    return RateTest(rates_tried, losses, rates_tried[lowest] / 10)
