"""Mixed precision: its context, and whether it is faster for one network on one device, found by measuring."""

import copy
import logging
import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from framework.ops import OperatorOverrides
from framework.run.environment import fast_bfloat16

logger = logging.getLogger(__name__)

WORTH = 1.15
"""bfloat16 has to be this much faster than float32 to be chosen on a CPU: it costs a little accuracy."""

CLEAR = 1.25
"""How far a gain has to be from `WORTH`, as a factor, to be believed after two passes; a closer one takes four."""


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
    slower than float32 in spite of their instruction set. One without it warns where bfloat16 is asked for.
    """
    if asked == "bfloat16" and device.type == "cpu" and not fast_bfloat16(device):
        logger.warning("this processor has no instructions for bfloat16: it takes many times as long as float32")
    if asked != "auto":
        return asked
    if not fast_bfloat16(device):
        return "float32"
    if device.type != "cpu":
        return "bfloat16"
    passes = [_training_pass(model, input_shape, precision) for precision in ("float32", "bfloat16")]
    for seconds in passes:
        seconds()  # a first pass also sets up its kernels
    return "bfloat16" if times_faster(*passes) > WORTH else "float32"


def times_faster(slower: Callable[[], float], faster: Callable[[], float]) -> float:
    """How many times as long `slower` takes as `faster`, each by the least of its measured seconds.

    They take turns, as what disturbs one disturbs the other: twice, and where that is not `CLEAR`, four times.
    """
    first = second = math.inf
    for measured in range(1, 5):
        first, second = min(slower(), first), min(faster(), second)
        gain = first / second / WORTH
        if measured > 1 and max(gain, 1 / gain) > CLEAR:
            break
    return first / second


def _training_pass(model: nn.Module, input_shape: tuple[int, ...], precision: str) -> Callable[[], float]:
    """A function that takes a copy of the network forward and backward on the CPU, and gives the seconds."""
    model = copy.deepcopy(model).train()
    images = torch.rand(32, *input_shape).contiguous(memory_format=torch.channels_last)

    def seconds() -> float:
        began = time.perf_counter()
        with forward_pass(images.device, precision):
            output: Tensor = model(images)
        torch.autograd.backward(output.float().sum())
        return time.perf_counter() - began

    return seconds
