"""What happens when a loss or a gradient is not finite."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from framework.errors import NonFiniteError


class NonFiniteGuard:
    """Stops a training at such a step, or leaves out as many as `limit` of them.

    `samples` gives the indices of a step's images, counted from 0, and `notify` is told of each step left out.
    `skipped` counts them over the whole run.
    """

    def __init__(self, limit: int, samples: Callable[[int], Sequence[int]], notify: Callable[[str], None]) -> None:
        self.limit = limit
        self.skipped = 0
        self._samples = samples
        self._notify = notify

    def found(self, step: int, loss: float, norm: float, rate: float) -> None:
        """Counts a step, the first being 1, or raises NonFiniteError with all that is known of it."""
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

    def copies(self, model: nn.Module) -> list[Tensor]:
        """The model's buffers, which a forward pass changes; nothing where no step may be left out."""
        return [buffer.clone() for buffer in model.buffers()] if self.limit else []

    @torch.no_grad()
    def put_back(self, model: nn.Module, copies: list[Tensor]) -> None:
        """Undoes what the forward pass did to the buffers."""
        for buffer, copy in zip(model.buffers(), copies, strict=True):
            buffer.copy_(copy)
