"""What happens when a loss or a gradient is not finite."""

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from framework.engine.training_step import StepOutput
from framework.errors import NonFiniteError

logger = logging.getLogger(__name__)


class NonFiniteGuard:
    """Stops a training at such a step, or lets as many as `limit` of them be left out.

    `samples` gives the indices of a step's images, counted from 0. `skipped` counts the steps left out over the whole
    run; each is logged. Outputs are checked after every `every` steps, since a GPU has to be waited for, and whenever
    `check` is called: before anything is saved.
    """

    def __init__(self, limit: int, samples: Callable[[int], Sequence[int]], *, every: int = 1) -> None:
        self.limit = limit
        self.every = every
        self.skipped = 0
        self._samples = samples
        self._recorded: list[tuple[int, float | Tensor, StepOutput]] = []

    def record(self, step: int, rate: float | Tensor, output: StepOutput) -> None:
        """Notes a step, the first being 1, taken at a learning rate; raises NonFiniteError as `check` does."""
        self._recorded.append((step, rate, output))
        if len(self._recorded) >= self.every:
            self.check()

    def check(self) -> None:
        """Counts the steps that were left out since the last check, or raises NonFiniteError with all that is known."""
        recorded, self._recorded = self._recorded, []
        if not recorded:
            return
        values = torch.stack(
            [torch.stack([o.finite.float(), o.unmasked_loss, o.norm]) for _, _, o in recorded]
        ).tolist()
        for (step, rate, _), (finite, loss, norm) in zip(recorded, values, strict=True):
            if not finite:
                self._found(step, loss, norm, float(rate))

    def _found(self, step: int, loss: float, norm: float, rate: float) -> None:
        where = f"step {step}: loss {loss}, gradient norm {norm}, learning rate {rate:.4g}"
        samples = f"on the training images {', '.join(map(str, self._samples(step - 1)))}"
        if self.skipped >= self.limit:
            left_out = f" after {self.skipped} steps left out" if self.limit else ""
            raise NonFiniteError(
                f"{where}; training stopped{left_out} before this step changed the weights, {samples}. "
                "Try a smaller --lr or --clip-norm"
            )
        self.skipped += 1
        logger.warning("%s; left out (%d of at most %d), %s", where, self.skipped, self.limit, samples)
