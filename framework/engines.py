"""The training step and the evaluation step as Ignite engines."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from ignite.engine import Engine
from ignite.metrics import Accuracy, Loss
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from framework.data import Batch, Statistics, normalize
from framework.errors import NonFiniteError
from framework.optimization import gradient_norm
from framework.randomness import torch_seed

Step = Callable[[Engine, Batch], tuple[Tensor, Tensor]]


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
    clip_norm: float | None = None,
    ema: AveragedModel | None = None,
) -> Engine:
    """An engine whose step trains on one batch of uint8 images and labels.

    Its output is (loss, share of correct predictions), both scalar tensors on the device. A loss or gradient that is
    not finite raises NonFiniteError before the optimizer has used it, so the weights stay as they were.
    """

    def step(engine: Engine, batch: Batch) -> tuple[Tensor, Tensor]:
        torch.manual_seed(torch_seed(seed, "step", engine.state.iteration - 1))
        model.train()
        images, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
        with arithmetic(device, precision):
            logits = model(normalize(images, statistics))
        value = loss(logits.float(), labels)
        optimizer.zero_grad()
        value.backward()
        norm = gradient_norm(model, clip_norm)
        if not torch.isfinite(value + norm):
            rate = optimizer.param_groups[0]["lr"]
            raise NonFiniteError(
                f"step {engine.state.iteration}: loss {value.item()}, gradient norm {norm.item()}, learning rate "
                f"{rate:.4g}; training stopped before this step changed the weights. Try a smaller --lr or --clip-norm"
            )
        optimizer.step()
        schedule.step()
        if ema is not None:
            ema.update_parameters(model)
        return value.detach(), (logits.argmax(1) == labels).float().mean()

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
