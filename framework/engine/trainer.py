"""The training step as an Ignite engine."""

import logging
from collections.abc import Sequence

import torch
from ignite.engine import Engine
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from framework.data.rendering import Batch
from framework.engine.nonfinite import NonFiniteGuard
from framework.engine.training_step import Step
from framework.seeding import seed_globals, torch_seed


def make_trainer(
    model: nn.Module,
    step: Step,
    schedule: LRScheduler,
    *,
    device: torch.device,
    seed: int,
    guard: NonFiniteGuard,
    ema: AveragedModel | None = None,
    frozen: Sequence[nn.Module] = (),
    purpose: str = "step",
) -> Engine:
    """An engine that takes one `step` of `model` on each batch of uint8 images and labels.

    Its output is (loss, share of correct predictions), both scalar tensors on the device, NaN for a step that was left
    out, after which the average `ema` and the schedule go on all the same; `guard` raises NonFiniteError where none may
    be. The `frozen` layers stay in evaluation mode. Dropout and the like are keyed on (seed, `purpose`, step).
    """

    def take(engine: Engine, batch: Batch) -> tuple[Tensor, Tensor]:
        _manual_seed(torch_seed(seed, purpose, engine.state.iteration - 1), device)
        if not model.training:  # to tell every module of it takes 0.1 ms
            model.train()
            for layer in frozen:
                layer.eval()
        images, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
        output = step(images, labels)
        guard.record(engine.state.iteration, schedule.get_last_lr()[0], output)
        schedule.step()
        if ema is not None:
            ema.update_parameters(model)
        return output.loss, output.correct

    return silenced(Engine(take))


def silenced(engine: Engine) -> Engine:
    """Keeps Ignite from logging an exception that its caller reports."""
    engine.logger.setLevel(logging.CRITICAL)
    return engine


def _manual_seed(seed: int, device: torch.device) -> None:
    """Seeds what is drawn from on this device; `torch.manual_seed` looks for every kind of device, at each step."""
    seed_globals(seed)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)
