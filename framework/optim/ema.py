"""An exponential moving average of the weights."""

import logging

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

logger = logging.getLogger(__name__)

FIRST_WEIGHTS = 0.05
"""The share of the first weights in the average at the end of a run above which a warning is due."""


def make_ema(model: nn.Module, decay: float | None, total_steps: int) -> AveragedModel | None:
    """An exponential moving average of parameters and buffers, or None without a decay.

    An average that is too long for the run's `total_steps` is logged: its validation would be that of a network that
    has hardly been trained.
    """
    if decay is None:
        return None
    first = decay ** (total_steps - 1)
    if first > FIRST_WEIGHTS:
        fitting = FIRST_WEIGHTS ** (1 / max(total_steps - 1, 1))
        logger.warning(
            "ema_decay %g is too long for %d steps: %.0f %% of the average will still be the weights of the first "
            "step, and all figures are those of the average. Try at most %.3g",
            *(decay, total_steps, 100 * first, fitting),
        )
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
