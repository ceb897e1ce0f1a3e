"""What happens when a loss or a gradient is not finite."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from framework.errors import NonFiniteError
from framework.step import Outcome


class NonFiniteGuard:
    """Stops a training at such a step, or lets as many as `limit` of them be left out.

    `samples` gives the indices of a step's images, counted from 0, and `notify` is told of each step left out.
    `skipped` counts them over the whole run. Outcomes are looked at after every `every` steps, since a GPU has to be
    waited for, and whenever `look` is called: before anything is saved.
    """

    def __init__(
        self, limit: int, samples: Callable[[int], Sequence[int]], notify: Callable[[str], None], *, every: int = 1
    ) -> None:
        self.limit = limit
        self.every = every
        self.skipped = 0
        self._samples = samples
        self._notify = notify
        self._watched: list[tuple[int, float | Tensor, Outcome]] = []

    def watch(self, step: int, rate: float | Tensor, outcome: Outcome) -> None:
        """Notes a step, the first being 1, taken at a learning rate; raises NonFiniteError as `look` does."""
        self._watched.append((step, rate, outcome))
        if len(self._watched) >= self.every:
            self.look()

    def look(self) -> None:
        """Counts the steps that were left out since the last look, or raises NonFiniteError with all that is known."""
        watched, self._watched = self._watched, []
        if not watched:
            return
        found = torch.stack([torch.stack([o.finite.float(), o.raw_loss, o.norm]) for _, _, o in watched]).tolist()
        for (step, rate, _), (finite, loss, norm) in zip(watched, found, strict=True):
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
        self._notify(f"{where}; left out ({self.skipped} of at most {self.limit}), {samples}")
