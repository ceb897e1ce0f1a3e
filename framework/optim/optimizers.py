"""The optimizer, from the configuration."""

from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from framework.config import OptimizationConfig
from framework.optim.muon import Muon, begin_momentum_at_zero


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters in two groups: kernels and matrices decay, vectors (norms and biases) do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def muon_groups(groups: list[dict[str, Any]], muon_lr: float, muon_weight_decay: float) -> list[dict[str, Any]]:
    """`parameter_groups` with a third one, of the kernels that mix channels, with a rate and a decay of its own.

    A depthwise kernel is not among them: it is a list of filters and no matrix. The head's matrix is left to SGD, as
    in Jordan et al. 2024.
    """
    decayed, others = groups
    kernels = [p for p in decayed["params"] if p.ndim == 4 and p.shape[1] > 1]
    rest = [p for p in decayed["params"] if p.ndim != 4 or p.shape[1] == 1]
    return [
        decayed | {"params": rest, "kernels": False},
        others | {"kernels": False},
        {"params": kernels, "kernels": True, "lr": muon_lr, "weight_decay": muon_weight_decay},
    ]


def make_optimizer(model: nn.Module, config: OptimizationConfig) -> Optimizer:
    """SGD with Nesterov momentum, Adam, AdamW or Muon, as configured, fused, for weights on their device."""
    groups = parameter_groups(model, config.weight_decay)
    if config.optimizer == "muon":
        decay = config.weight_decay if config.muon_weight_decay is None else config.muon_weight_decay
        return Muon(muon_groups(groups, config.muon_lr, decay), config.peak_lr, config.momentum)
    if config.optimizer in ("adam", "adamw"):
        kind = Adam if config.optimizer == "adam" else AdamW
        capturable = next(model.parameters()).is_cuda
        return kind(groups, config.peak_lr, betas=(config.momentum, 0.999), fused=True, capturable=capturable)
    optimizer = SGD(groups, config.peak_lr, config.momentum, nesterov=config.momentum > 0, fused=True)
    if config.momentum > 0:
        begin_momentum_at_zero(optimizer)
    return optimizer
