"""Where an optimizer keeps its learning rates: as numbers, or in tensors on a device."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer


def rates_on_device(optimizer: Optimizer, device: torch.device) -> None:
    """Keeps the learning rates in tensors on a device, where a captured step reads them and the schedule writes."""
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), device=device)


def plain_rates(state: dict[str, Any]) -> dict[str, Any]:
    """An optimizer's state with its learning rates as numbers, whatever device it computes on."""
    return state | {"param_groups": [group | {"lr": float(group["lr"])} for group in state["param_groups"]]}


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Loads a saved state, but keeps what belongs to this device: where rates lie, what can be captured."""
    own = [(group["lr"], group.get("capturable")) for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(state))
    for group, (rate, capturable) in zip(optimizer.param_groups, own, strict=True):
        group["lr"] = rate.fill_(float(group["lr"])) if isinstance(rate, torch.Tensor) else float(group["lr"])
        if capturable is not None:
            group["capturable"] = capturable
