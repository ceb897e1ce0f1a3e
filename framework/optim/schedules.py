"""Learning-rate schedules."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from framework.config import OptimizationConfig

LAST_SHARE = 1e-4
"""The share of the peak learning rate that the last step takes."""

FIRST_SHARE = 0.04
"""The share of the peak learning rate that the first step takes (1/25, as in fastai's one-cycle schedule)."""


def one_cycle(step: int, total: int, warmup: float) -> float:
    """The learning rate of a step as a share of the peak: up linearly, then down linearly to almost nothing.

    Steps are counted from 0 to `total` - 1; `warmup` is the share of them in which the rate rises. Smith and Topin
    2017, Super-Convergence, section 3, with a straight fall.
    """
    peak = warmup * (total - 1)
    if step < peak:
        return FIRST_SHARE + (1 - FIRST_SHARE) * step / peak
    return LAST_SHARE + (1 - LAST_SHARE) * (total - 1 - step) / max(total - 1 - peak, 1)


def make_schedule(optimizer: Optimizer, total_steps: int, config: OptimizationConfig) -> LambdaLR:
    """The one-cycle schedule over `total_steps`; call its `step` after every optimizer step."""
    return LambdaLR(optimizer, lambda step: one_cycle(min(step, total_steps - 1), total_steps, config.warmup))
