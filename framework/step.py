"""The training step as a function of tensors alone: it never waits for the device, and can be captured as a graph."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from framework.data import Statistics, normalizer
from framework.distillation import Teacher
from framework.optimization import gradient_norm
from framework.precision import arithmetic
from framework.processes import ALONE, Processes


class Outcome(NamedTuple):
    """What a step found, as scalar tensors on the device, over all processes.

    `loss` and the share `correct` are not numbers where the step was left out because its loss or gradient was not
    finite; `raw_loss` and `norm`, of the gradient, are as they came.
    """

    loss: Tensor
    correct: Tensor
    raw_loss: Tensor
    norm: Tensor
    finite: Tensor


Step = Callable[[Tensor, Tensor], Outcome]
"""Takes uint8 images (N, H, W, C) and labels (N,), or shares of the classes, and changes the network's weights."""


def make_step(
    forward: nn.Module,
    optimizer: Optimizer,
    *,
    loss: nn.Module,
    statistics: Statistics,
    device: torch.device,
    precision: str,
    clip_norm: float | None = None,
    teacher: Teacher | None = None,
    undoes: bool = False,
    processes: Processes = ALONE,
) -> Step:
    """A step of `forward`, each of the `processes` on its share of the batch; a `teacher` has a say in the loss.

    A loss or gradient that is not finite leaves weights and optimizer state as they were; so it does buffers, if the
    step `undoes` what the forward pass did to them. The optimizer reads that from the tensor `found_inf`, as
    torch.amp's GradScaler tells it, so nothing waits for the figure.
    """
    normalized = normalizer(statistics, device)
    parameters, buffers = list(forward.parameters()), list(forward.buffers()) if undoes else []

    def step(images: Tensor, labels: Tensor) -> Outcome:
        before = [buffer.clone() for buffer in buffers]
        with arithmetic(device, precision):
            logits = forward(normalized(images))
        own = loss(logits.float(), labels)
        truth = labels if labels.ndim == 1 else labels.argmax(1)
        if teacher is not None:
            own = teacher.mixed(own, logits.float(), images, precision)
        optimizer.zero_grad()
        own.backward()
        norm = gradient_norm(parameters, clip_norm)
        raw, correct = processes.mean(torch.stack([own.detach(), (logits.argmax(1) == truth).float().mean()]))
        finite = torch.isfinite(raw + norm)
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        optimizer.step()
        with torch.no_grad():
            for buffer, old in zip(buffers, before, strict=True):
                buffer.copy_(torch.where(finite, buffer, old))
        not_a_number = torch.full_like(raw, torch.nan)
        return Outcome(
            torch.where(finite, raw, not_a_number), torch.where(finite, correct, not_a_number), raw, norm, finite
        )

    return step
