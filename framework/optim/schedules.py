"""Learning-rate schedules: the rate of a step as a share of its peak."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from framework.config import OptimizationConfig


def one_cycle(step: int, total: int, warmup: float, start: float, end: float) -> float:
    """The learning rate of a step as a share of the peak: up linearly from `start`, then down linearly to `end`.

    Steps are counted from 0 to `total` - 1; `warmup` is the share of them in which the rate rises. Smith and Topin
    2017, Super-Convergence, section 3, with a straight fall.
    """
    peak = warmup * (total - 1)
    if step < peak:
        return start + (1 - start) * step / peak
    return end + (1 - end) * (total - 1 - step) / max(total - 1 - peak, 1)


def cosine(step: int, total: int, warmup: float, start: float, end: float) -> float:
    """As `one_cycle`, but down along half a cosine (Loshchilov and Hutter 2017, SGDR, equation 5)."""
    peak = warmup * (total - 1)
    if step < peak:
        return one_cycle(step, total, warmup, start, end)
    return end + (1 - end) * (1 + math.cos(math.pi * (step - peak) / max(total - 1 - peak, 1))) / 2


def plateau_share(values: Sequence[float], epochs: int, factor: float) -> float:
    """`factor` to the power of how often `epochs` epochs in a row brought none of the `values` below the lowest."""
    share, lowest, waited = 1.0, math.inf, 0
    for value in values:
        waited = 0 if value < lowest else waited + 1
        lowest = min(value, lowest)
        if waited == epochs:
            share, waited = share * factor, 0
    return share


@dataclass
class Plateau:
    """A share that falls when a validation metric does not get better; LambdaLR saves it with its own state.

    `metric` is 'loss' or 'accuracy'; for the others see `plateau_share`, and `end`, below which it does not fall.
    """

    metric: str
    epochs: int
    factor: float
    end: float
    share: float = 1.0

    def __call__(self, step: int) -> float:
        """The share of any step before the next validation."""
        return self.share

    def follow(self, history: Sequence[Mapping[str, float]], schedule: LambdaLR) -> None:
        """Takes the share that the epochs so far lead to, from the `schedule`'s coming step on."""
        sign = -1 if self.metric == "accuracy" else 1
        values = [sign * metrics[f"val_{self.metric}"] for metrics in history]
        self.share = max(plateau_share(values, self.epochs, self.factor), self.end)
        schedule.last_epoch -= 1  # the rate of the coming step has been set already, and is set again
        schedule.step()


def make_schedule(
    optimizer: Optimizer, total_steps: int, config: OptimizationConfig, epoch_length: int = 1
) -> LambdaLR:
    """The configured schedule over `total_steps`; call its `step` after every optimizer step.

    That of 'plateau' has a `Plateau`, whose `follow` is to be called after every validation.
    """
    shapes: Mapping[str, Callable[[int], float]] = {
        "one_cycle": lambda step: one_cycle(min(step, total_steps - 1), total_steps, *ends),
        "cosine": lambda step: cosine(min(step, total_steps - 1), total_steps, *ends),
        "step": lambda step: config.lr_factor ** (step // (config.lr_epochs * epoch_length)),
        "plateau": Plateau(config.plateau_metric, config.lr_epochs, config.lr_factor, config.lr_end_share),
        "constant": lambda step: 1.0,
    }
    ends = config.warmup, config.lr_start_share, config.lr_end_share
    return LambdaLR(optimizer, shapes[config.schedule])
