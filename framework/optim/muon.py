"""Muon: the step of a convolution's kernel is its momentum with all singular values brought to about one.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". torch.optim.Muon takes matrices alone
and computes in bfloat16, which is slow on most CPUs; here a kernel (out, in, k, k) is the matrix (out, in * k * k).
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that brings every singular value from 0 to 1 close to one in five rounds (Jordan et al. 2024)."""


def orthogonalized(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Matrices (number, rows, columns) with their singular vectors and singular values of about one (0.7 to 1.2).

    Newton-Schulz iteration in the matrices' own precision; a matrix of zeros stays zero. The singular values of a small
    one need not get there: below a thousandth of the largest they stay smaller.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x: Tensor = (matrices.mT if tall else matrices) / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(SGD):
    """SGD in which groups with `kernels` true take the orthogonalized Nesterov momentum for their gradient.

    A kernel's step is scaled by sqrt(max(1, rows / columns)), so that a learning rate means the same change of the
    output for every shape (Bernstein 2025, "Deriving Muon"). Weight decay is added after that, decoupled from the
    gradient. The other groups are SGD's, with Nesterov momentum. Honours `found_inf` as the fused SGD does: a step
    whose gradient is not finite leaves weights and momentum as they were.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        self.kernel_momentum = momentum
        plain = [group | ({"momentum": 0.0, "nesterov": False} if group["kernels"] else {}) for group in groups]
        super().__init__(plain, lr, momentum, nesterov=momentum > 0, fused=True)
        begin_momentum_at_zero(self)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step from the gradients that are there, without a closure; overwrites those of the kernels."""
        assert closure is None, "the gradients are there before the step"
        kernels = [kernel for group in self.param_groups if group["kernels"] for kernel in group["params"]]
        self._replace_gradients(kernels, getattr(self, "found_inf", None))
        super().step()
        return None

    def _replace_gradients(self, kernels: list[Tensor], skipped: Tensor | None) -> None:
        given = [(kernel, kernel.grad) for kernel in kernels if kernel.grad is not None]
        if not given:
            return
        gradients = [gradient for _, gradient in given]
        buffers = [self.state[kernel]["momentum_buffer"] for kernel, _ in given]
        momenta = torch._foreach_lerp(gradients, buffers, self.kernel_momentum)
        updates = torch._foreach_lerp(gradients, momenta, self.kernel_momentum)
        if skipped is not None:
            leave = skipped.bool()
            momenta = tuple(torch.where(leave, *pair) for pair in zip(buffers, momenta, strict=True))
        torch._foreach_copy_(buffers, momenta)
        alike = defaultdict(list)  # kernels whose matrices are of one shape, as one batch of GEMMs takes them
        for gradient, update in zip(gradients, updates, strict=True):
            alike[update.flatten(1).shape].append((gradient, update.flatten(1)))
        for (rows, columns), group in alike.items():
            scale = max(1.0, rows / columns) ** 0.5
            matrices = scale * orthogonalized(torch.stack([update for _, update in group]))
            for (gradient, _), matrix in zip(group, matrices, strict=True):
                gradient.copy_(matrix.view_as(gradient))


def begin_momentum_at_zero(optimizer: SGD) -> None:
    """The same as a momentum that begins with the first gradient, but the first step can be left out too."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
