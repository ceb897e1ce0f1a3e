"""Mixed precision."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch

from framework.ops import OperatorOverrides


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of mixed precision for 'bfloat16', of none for 'float32'."""
    low = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=low, cache_enabled=low)


@contextmanager
def forward_pass(device: torch.device, precision: str, plain_ops: Collection[str] = ()) -> Iterator[None]:
    """The context of a forward pass: `autocast`, and the operators of this framework but for `plain_ops`."""
    with autocast(device, precision), OperatorOverrides(plain_ops):
        yield
