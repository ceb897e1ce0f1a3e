"""The norm of the gradients, and clipping by it."""

from collections.abc import Sequence

import torch
from torch import nn


def gradient_norm(parameters: Sequence[nn.Parameter], clip_norm: float | None) -> torch.Tensor:
    """The Euclidean norm of all gradients, a scalar tensor; scales them down to `clip_norm` if it is larger."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    # What torch.nn.utils.get_total_norm does too, which spends 0.3 ms on sorting the gradients by their device.
    norm: torch.Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if clip_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
    return norm
