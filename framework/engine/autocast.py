"""Mixed precision."""

import torch


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of a forward pass: 'bfloat16' is mixed precision, 'float32' is none."""
    low = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=low, cache_enabled=low)
