"""The optimizer and its schedule."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from framework.muon import Muon
from framework.sections import OptimizationConfig

LAST_SHARE = 1e-4
"""The share of the peak learning rate that the last step takes."""

FIRST_SHARE = 0.04
"""The share of the peak learning rate that the first step takes (1/25, as in fastai's one-cycle schedule)."""


def one_cycle(step: int, total: int, warmup: float) -> float:
    """The learning rate of a step as a share of the peak: up linearly, then down linearly to almost nothing.

    Steps are counted from 0 to `total` - 1; `warmup` is the share of them in which the rate rises. Smith and Topin
    2017, Super-Convergence, section 3, with a straight fall.
    """
    peak = warmup * (total - 1)
    if step < peak:
        return FIRST_SHARE + (1 - FIRST_SHARE) * step / peak
    return LAST_SHARE + (1 - LAST_SHARE) * (total - 1 - step) / max(total - 1 - peak, 1)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters in two groups: kernels and matrices decay, vectors (norms and biases) do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def muon_groups(groups: list[dict[str, Any]], kernel_lr: float, kernel_weight_decay: float) -> list[dict[str, Any]]:
    """`parameter_groups` with a third one, of the kernels that mix channels.

    Their steps are as long as a matrix of that shape with singular values of one, not as their gradient, so that they
    take a learning rate and a decay of their own.

    A depthwise kernel doesn't: it is a list of filters and no matrix. The head's matrix is left to SGD, as in Jordan
    et al. 2024.
    """
    decayed, others = groups
    kernels = [p for p in decayed["params"] if p.ndim == 4 and p.shape[1] > 1]
    rest = [p for p in decayed["params"] if p.ndim != 4 or p.shape[1] == 1]
    return [
        decayed | {"params": rest, "kernels": False},
        others | {"kernels": False},
        {"params": kernels, "kernels": True, "lr": kernel_lr, "weight_decay": kernel_weight_decay},
    ]


def make_optimizer(model: nn.Module, config: OptimizationConfig) -> Optimizer:
    """SGD with Nesterov momentum, AdamW or Muon, as configured, in its fused form, with weights on their device.

    SGD's momentum begins at zero here, not at the first gradient, which is the same, so that its first step may be
    left out too.
    """
    groups = parameter_groups(model, config.weight_decay)
    if config.optimizer == "muon":
        decay = config.weight_decay if config.kernel_weight_decay is None else config.kernel_weight_decay
        return Muon(muon_groups(groups, config.kernel_lr, decay), config.lr, config.momentum)
    if config.optimizer == "adamw":
        capturable = next(model.parameters()).is_cuda
        return AdamW(groups, config.lr, betas=(config.momentum, 0.999), fused=True, capturable=capturable)
    optimizer = SGD(groups, config.lr, config.momentum, nesterov=config.momentum > 0, fused=True)
    if config.momentum > 0:
        for parameter in (parameter for group in groups for parameter in group["params"]):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def make_schedule(optimizer: Optimizer, total_steps: int, config: OptimizationConfig) -> LambdaLR:
    """The one-cycle schedule over `total_steps`; call its `step` after every optimizer step."""
    return LambdaLR(optimizer, lambda step: one_cycle(min(step, total_steps - 1), total_steps, config.warmup))


def gradient_norm(parameters: Sequence[nn.Parameter], clip_norm: float | None) -> torch.Tensor:
    """The Euclidean norm of all gradients, a scalar tensor; scales them down to `clip_norm` if it is larger."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    # What torch.nn.utils.get_total_norm does too, which spends 0.3 ms on sorting the gradients by their device.
    norm: torch.Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if clip_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
    return norm


def rates_on_device(optimizer: Optimizer, device: torch.device) -> None:
    """Keeps the learning rates in tensors on a device, where a captured step reads them and the schedule writes."""
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), device=device)


def plain_rates(state: dict[str, Any]) -> dict[str, Any]:
    """An optimizer's state with its learning rates as numbers, whatever device it computes on."""
    return state | {"param_groups": [group | {"lr": float(group["lr"])} for group in state["param_groups"]]}


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Goes back to a saved state, but keeps what belongs to this device: where rates lie, what can be captured."""
    own = [(group["lr"], group.get("capturable")) for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(state))
    for group, (rate, capturable) in zip(optimizer.param_groups, own, strict=True):
        saved, group["lr"] = group["lr"], rate
        set_rate(group, saved)
        if capturable is not None:
            group["capturable"] = capturable


def set_rate(group: dict[str, Any], rate: float | torch.Tensor) -> None:
    """Sets a group's learning rate, in its tensor if it has one."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(float(rate))
    else:
        group["lr"] = float(rate)
