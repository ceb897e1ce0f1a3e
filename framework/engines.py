"""The training step and the evaluation step as Ignite engines."""

import logging

import torch
from ignite.engine import Engine
from ignite.metrics import Accuracy, Loss
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from framework.data import Batch, Statistics, normalizer
from framework.nonfinite import NonFiniteGuard
from framework.precision import arithmetic
from framework.randomness import torch_seed
from framework.step import Step


def make_ema(model: nn.Module, decay: float | None) -> AveragedModel | None:
    """An exponential moving average of parameters and buffers, or None without a decay."""
    if decay is None:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)


def make_trainer(
    model: nn.Module,
    step: Step,
    schedule: LambdaLR,
    *,
    device: torch.device,
    seed: int,
    guard: NonFiniteGuard,
    ema: AveragedModel | None = None,
    draws: str = "step",
) -> Engine:
    """An engine that takes one `step` of `model` on each batch of uint8 images and labels.

    Its output is (loss, share of correct predictions), both scalar tensors on the device, not numbers for a step that
    was left out, after which the average `ema` and the schedule go on all the same; `guard` raises NonFiniteError where
    none may be. Dropout and the like are keyed on (seed, `draws`, step).
    """

    def take(engine: Engine, batch: Batch) -> tuple[Tensor, Tensor]:
        _seed(torch_seed(seed, draws, engine.state.iteration - 1), device)
        if not model.training:  # to tell every module of it takes 0.1 ms
            model.train()
        images, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
        outcome = step(images, labels)
        guard.watch(engine.state.iteration, schedule.get_last_lr()[0], outcome)
        schedule.step()
        if ema is not None:
            ema.update_parameters(model)
        return outcome.loss, outcome.correct

    return _quiet(Engine(take))


def make_evaluator(model: nn.Module, *, statistics: Statistics, device: torch.device, precision: str) -> Engine:
    """An engine that leaves `state.metrics` with 'accuracy' (a share) and 'loss' (cross-entropy, without smoothing).

    Its output for a batch is (logits as float32 on the device, labels).
    """
    normalized = normalizer(statistics, device)

    @torch.no_grad()
    def step(engine: Engine, batch: Batch) -> tuple[Tensor, Tensor]:
        model.eval()
        images, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
        with arithmetic(device, precision):
            logits = model(normalized(images))
        return logits.float(), labels

    evaluator = _quiet(Engine(step))
    Accuracy(device=device).attach(evaluator, "accuracy")
    Loss(nn.functional.cross_entropy, device=device).attach(evaluator, "loss")
    return evaluator


def _seed(seed: int, device: torch.device) -> None:
    """Seeds what torch draws from on this device; `torch.manual_seed` looks for every kind of them, at each step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)


def _quiet(engine: Engine) -> Engine:
    """Keeps Ignite from printing an exception that its caller reports."""
    engine.logger.setLevel(logging.CRITICAL)
    return engine
