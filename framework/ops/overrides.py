"""Operators of PyTorch replaced by ours while a context is entered."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from framework.ops.conv2d import conv2d
from framework.ops.layer_norm import layer_norm

PLAIN_OPS = ("conv2d_bfloat16_gradient", "conv2d_speed", "layer_norm")
"""What can be left to PyTorch alone: the mend of a gradient, what is only faster, and layer normalisation."""


class OperatorOverrides(TorchFunctionMode):
    """While it is entered, `torch.conv2d` and `layer_norm`, and layers made of them, are those of this framework.

    What `plain` names, of PLAIN_OPS, is computed by PyTorch alone.
    """

    def __init__(self, plain: Collection[str] = ()) -> None:
        super().__init__()
        assert set(plain) <= set(PLAIN_OPS), plain
        self.conv2d: Callable[..., Any] = conv2d
        if plain:
            right, fast = PLAIN_OPS[0] not in plain, PLAIN_OPS[1] not in plain
            self.conv2d = functools.partial(conv2d, right_gradient=right, fast=fast)
        self.layer_norm: Callable[..., Any] = F.layer_norm if PLAIN_OPS[2] in plain else layer_norm

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d:
            func = self.conv2d
        elif func is F.layer_norm:
            func = self.layer_norm
        return func(*args, **(kwargs or {}))
