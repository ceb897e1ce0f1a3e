"""The training step as a function of tensors alone: it never waits for the device, and can be captured as a graph."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from framework.data.statistics import Statistics, normalizer
from framework.distributed import SINGLE_PROCESS, ProcessGroup
from framework.losses.distillation import Teacher
from framework.optim.gradients import gradient_norm


class StepOutput(NamedTuple):
    """What a step found, as scalar tensors on the device, over all processes.

    `loss` and the share `correct` are NaN where the step was left out because its loss or gradient was not finite;
    `unmasked_loss` and `norm`, of the gradient, are as they came.
    """

    loss: Tensor
    correct: Tensor
    unmasked_loss: Tensor
    norm: Tensor
    finite: Tensor


Step = Callable[[Tensor, Tensor], StepOutput]
"""Takes uint8 images (N, H, W, C) and labels (N,), or class shares (N, classes), and changes the network's weights."""

LossTerm = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""A scalar to add to the loss, from the network, logits (N, classes) and targets, e.g. an L1 penalty."""


def make_step(
    forward: nn.Module,
    optimizer: Optimizer,
    *,
    loss: nn.Module,
    statistics: Statistics,
    device: torch.device,
    context: Callable[[], AbstractContextManager[object]] = nullcontext,
    clip_norm: float | None = None,
    teacher: Teacher | None = None,
    loss_terms: Sequence[LossTerm] = (),
    accumulate: int = 1,
    undoes: bool = False,
    processes: ProcessGroup = SINGLE_PROCESS,
) -> Step:
    """A step of `forward`, whose pass runs in the `context`; each of the `processes` takes its part of the batch.

    The loss is that of the labels, mixed with a `teacher`'s distillation loss, plus the `loss_terms`. The batch passes
    in `accumulate` parts of one size, one after the other; the step takes the mean of their gradients. A loss or
    gradient that is not finite leaves weights and optimizer state as they were; so it does buffers, if the step
    `undoes` what the forward pass did to them. The optimizer reads that from the tensor `found_inf`, as torch.amp's
    GradScaler sets it, so nothing waits for its value.
    """
    normalized = normalizer(statistics, device)
    parameters, buffers = list(forward.parameters()), list(forward.buffers()) if undoes else []

    def total_loss(logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        # Each part casts the logits by itself: so their gradients are added in the precision of the forward pass.
        total: Tensor = loss(logits.float(), labels)
        if teacher is not None:
            with context():
                teacher_logits = teacher.logits(images)
            total = teacher.loss(total, logits.float(), teacher_logits)
        for term in loss_terms:
            total = total + term(forward, logits.float(), labels)
        return total

    def add_gradient(images: Tensor, labels: Tensor) -> Tensor:
        """Adds a part's gradient to those that are there; its loss and share of correct predictions (2,)."""
        with context():
            logits = forward(normalized(images))
        total = total_loss(logits, labels, images)
        targets = labels if labels.ndim == 1 else labels.argmax(1)
        torch.autograd.backward(total / accumulate)
        return torch.stack([total.detach(), (logits.argmax(1) == targets).float().mean()])

    def step(images: Tensor, labels: Tensor) -> StepOutput:
        before = [buffer.clone() for buffer in buffers]
        optimizer.zero_grad()
        found = torch.stack(list(map(add_gradient, images.chunk(accumulate), labels.chunk(accumulate)))).mean(0)
        norm = gradient_norm(parameters, clip_norm)
        unmasked, correct = processes.mean(found)
        finite = torch.isfinite(unmasked + norm)
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        optimizer.step()
        _undo(buffers, before, finite)
        nan = torch.full_like(unmasked, torch.nan)
        return StepOutput(torch.where(finite, unmasked, nan), torch.where(finite, correct, nan), unmasked, norm, finite)

    return step


@torch.no_grad()
def _undo(buffers: Sequence[Tensor], before: Sequence[Tensor], finite: Tensor) -> None:
    for buffer, old in zip(buffers, before, strict=True):
        buffer.copy_(torch.where(finite, buffer, old))
