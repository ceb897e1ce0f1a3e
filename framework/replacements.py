"""Operations that a library computes slowly, or wrongly, done another way while a context is entered."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from framework.convolutions import conv2d
from framework.layer_norm import layer_norm


class Replacements(TorchFunctionMode):
    """While it is entered, `torch.conv2d` and `layer_norm`, and layers made of them, are those of this framework."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d:
            func = conv2d
        elif func is F.layer_norm:
            func = layer_norm
        return func(*args, **(kwargs or {}))
