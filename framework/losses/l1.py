"""L1 regularisation."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def l1_term(weight: float) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    """A term of the loss: `weight` times the sum of the magnitudes of all kernels and matrices that are trained.

    Norms and biases are left out, as from weight decay.
    """

    def term(network: nn.Module, logits: Tensor, targets: Tensor) -> Tensor:
        sums = [p.abs().sum() for p in network.parameters() if p.requires_grad and p.ndim > 1]
        return weight * torch.stack(sums).sum() if sums else logits.new_zeros(())

    return term
