"""The training step and the evaluation step as Ignite engines."""

import logging
from contextlib import AbstractContextManager

import torch
from ignite.engine import Engine
from ignite.metrics import Accuracy, Loss
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from framework.data import Batch, Statistics, normalize
from framework.nonfinite import NonFiniteGuard
from framework.optimization import gradient_norm, skip_step
from framework.processes import Processes
from framework.randomness import torch_seed

ALONE = Processes()
"""One process that trains by itself."""


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """The context of a forward pass: 'bfloat16' is mixed precision, 'float32' is plain."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=precision == "bfloat16"
    )
    return context


def make_ema(model: nn.Module, decay: float | None) -> AveragedModel | None:
    """An exponential moving average of parameters and buffers, or None without a decay."""
    if decay is None:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)


def make_trainer(
    model: nn.Module,
    optimizer: Optimizer,
    schedule: LambdaLR,
    *,
    loss: nn.Module,
    statistics: Statistics,
    device: torch.device,
    precision: str,
    seed: int,
    guard: NonFiniteGuard,
    clip_norm: float | None = None,
    ema: AveragedModel | None = None,
    processes: Processes = ALONE,
) -> Engine:
    """An engine whose step trains on one batch of uint8 images and labels, each of the `processes` on its share.

    Its output is (loss, share of correct predictions) over all of them, both scalar tensors on the device. Before the
    optimizer uses a loss or gradient that is not finite, `guard` raises NonFiniteError or lets the step be left out:
    weights, averages and buffers then stay as they were, the schedule goes on, and both outputs are not numbers.
    """

    forward = processes.parallel(model, device)
    draws = "step" if processes.first else f"step of process {processes.rank}"

    def step(engine: Engine, batch: Batch) -> tuple[Tensor, Tensor]:
        torch.manual_seed(torch_seed(seed, draws, engine.state.iteration - 1))
        forward.train()
        buffers = guard.copies(model)
        images, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
        with arithmetic(device, precision):
            logits = forward(normalize(images, statistics))
        own = loss(logits.float(), labels)
        optimizer.zero_grad()
        own.backward()
        norm = gradient_norm(model, clip_norm)
        value, correct = processes.mean(torch.stack([own.detach(), (logits.argmax(1) == labels).float().mean()]))
        if not torch.isfinite(value + norm):
            rate = optimizer.param_groups[0]["lr"]
            guard.found(engine.state.iteration, value.item(), norm.item(), rate)
            guard.put_back(model, buffers)
            skip_step(schedule)
            return value.new_full((), torch.nan), value.new_full((), torch.nan)
        optimizer.step()
        schedule.step()
        if ema is not None:
            ema.update_parameters(model)
        return value, correct

    return _quiet(Engine(step))


def make_evaluator(model: nn.Module, *, statistics: Statistics, device: torch.device, precision: str) -> Engine:
    """An engine that leaves `state.metrics` with 'accuracy' (a share) and 'loss' (cross-entropy, without smoothing).

    Its output for a batch is (logits as float32 on the device, labels).
    """

    @torch.no_grad()
    def step(engine: Engine, batch: Batch) -> tuple[Tensor, Tensor]:
        model.eval()
        images, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
        with arithmetic(device, precision):
            logits = model(normalize(images, statistics))
        return logits.float(), labels

    evaluator = _quiet(Engine(step))
    Accuracy(device=device).attach(evaluator, "accuracy")
    Loss(nn.functional.cross_entropy, device=device).attach(evaluator, "loss")
    return evaluator


def _quiet(engine: Engine) -> Engine:
    """Keeps Ignite from printing an exception that its caller reports."""
    engine.logger.setLevel(logging.CRITICAL)
    return engine
