"""Mixed precision: its context, and whether it is faster for one network on one device, found by measuring."""

import copy
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from framework.ops import OperatorOverrides
from framework.run.environment import fast_bfloat16

WORTH = 1.15
"""bfloat16 has to be this much faster than float32 to be chosen on a CPU: it costs a little accuracy."""


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of mixed precision for 'bfloat16', of none for 'float32'."""
    low = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=low, cache_enabled=low)


@contextmanager
def forward_pass(device: torch.device, precision: str, plain_ops: Collection[str] = ()) -> Iterator[None]:
    """The context of a forward pass: `autocast`, and the operators of this framework but for `plain_ops`."""
    with autocast(device, precision), OperatorOverrides(plain_ops):
        yield


def choose_precision(asked: str, model: nn.Module, input_shape: tuple[int, ...], device: torch.device) -> str:
    """'float32' or 'bfloat16' for training `model` on images of `input_shape` (C, H, W).

    'auto' takes bfloat16 on a GPU that has it in hardware. A CPU that claims it is measured, because some run it
    slower than float32 in spite of their instruction set.
    """
    if asked != "auto":
        return asked
    if not fast_bfloat16(device):
        return "float32"
    if device.type != "cpu":
        return "bfloat16"
    seconds = {precision: _training_seconds(model, input_shape, precision) for precision in ("float32", "bfloat16")}
    return "bfloat16" if seconds["float32"] > WORTH * seconds["bfloat16"] else "float32"


def _training_seconds(model: nn.Module, input_shape: tuple[int, ...], precision: str) -> float:
    """The fastest of a few forward and backward passes on the CPU, in seconds."""
    model = copy.deepcopy(model).train()
    images = torch.rand(32, *input_shape).contiguous(memory_format=torch.channels_last)

    def once() -> float:
        began = time.perf_counter()
        with forward_pass(images.device, precision):
            output: Tensor = model(images)
        torch.autograd.backward(output.float().sum())
        return time.perf_counter() - began

    once()
    return min(once() for _ in range(4))
