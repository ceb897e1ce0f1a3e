"""Operators of PyTorch replaced by ours while a context is entered."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from framework.ops.conv2d import conv2d
from framework.ops.layer_norm import layer_norm

PLAIN_OPS = ("conv2d_bfloat16_gradient", "conv2d_speed", "conv2d_strided_pointwise", "layer_norm")
"""What can be left to PyTorch: the corrected gradient in bfloat16, faster convolutions, strided ones of few channels
whose gradient may crash, and layer normalisation."""


class OperatorOverrides(TorchFunctionMode):
    """While it is entered, `torch.conv2d` and `layer_norm`, and layers made of them, are those of this framework.

    What `plain` names, of PLAIN_OPS, is computed by PyTorch alone.
    """

    def __init__(self, plain: Collection[str] = ()) -> None:
        super().__init__()
        assert set(plain) <= set(PLAIN_OPS), plain
        right_gradient, fast, subsampled, own_layer_norm = (name not in plain for name in PLAIN_OPS)
        self._overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        if right_gradient or fast or subsampled:
            switches: dict[str, Any] = {"right_gradient": right_gradient, "fast": fast, "subsampled": subsampled}
            self._overrides[torch.conv2d] = functools.partial(conv2d, **switches)
        if own_layer_norm:
            self._overrides[F.layer_norm] = layer_norm

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._overrides.get(func, func)(*args, **(kwargs or {}))
