"""int8 simulated in float32, so that a network learns to be accurate in it (Jacob et al. 2018, section 3).

Weights are rounded to 8 bits with a scale for each output channel, activations with a scale and a zero point for each
tensor, as LiteRT, ExecuTorch and ONNX Runtime hold them. Gradients pass the rounding as if it were not there.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

RANGES = "int8_ranges"
"""The buffer (N, 2) of a network that is trained for int8: the least and largest value of each of N activations."""

WEIGHTED = ("conv2d", "linear")
"""Functions of an activation and weights."""

ROUNDED = {
    *WEIGHTED,
    *("matmul", "layer_norm", "group_norm", "instance_norm", "adaptive_avg_pool2d", "avg_pool2d", "mean"),
    *("silu", "gelu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "leaky_relu", "prelu"),
    *("elu", "celu", "selu", "mish", "softplus", "log_sigmoid"),
    *("add", "sub", "mul", "div", "rsub", "__matmul__", "__truediv__", "__itruediv__"),
    *(f"__{sign}{name}__" for sign in ("", "i", "r") for name in ("add", "sub", "mul")),
}
"""Functions that take int8, by name.

A convolution with a batch normalisation and ReLU behind is one operator, and rounds when all is done: those two are not
among them. Nor is what moves or chooses values.
"""

MOVING_AVERAGE = 0.01
"""The weight of a step's range in the average that is kept; a wider range is taken whole, as calibration does."""


class SimulatedInt8(nn.Module):
    """A network with RANGES as int8 computes it; in training the ranges follow the activations."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) to logits (N, K)."""
        ranges = self.network.get_buffer(RANGES)
        logits, number = _rounded(self.network, images, ranges, follows=self.network.training)
        assert number == len(ranges), (number, len(ranges))
        return logits


def simulated(network: nn.Module) -> nn.Module:
    """A network with RANGES as int8 computes it, of the same weights; any other network itself."""
    return SimulatedInt8(network) if RANGES in dict(network.named_buffers(recurse=False)) else network


@torch.no_grad()
def count_activations(network: nn.Module, images: Tensor) -> int:
    """How many activations of a network are rounded, in the mode that it is in."""
    return _rounded(network, images, torch.ones(1, 2, device=images.device).expand(2**31, 2), follows=False)[1]


def _rounded(network: nn.Module, images: Tensor, ranges: Tensor, *, follows: bool) -> tuple[Tensor, int]:
    """The logits, rounded too, and the number of activations."""
    rounding = _Rounding(ranges, follows=follows)
    with rounding:
        logits = network(images)
    return rounding.activation(logits), rounding.number


class _Rounding(TorchFunctionMode):
    """While it is entered, functions of ROUNDED get rounded activations and weights; each activation has its range."""

    def __init__(self, ranges: Tensor, *, follows: bool) -> None:
        super().__init__()
        self.ranges, self.follows, self.number = ranges, follows, 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, named = getattr(func, "__name__", ""), dict(kwargs or {})
        if name in WEIGHTED:
            args = [*args, *(named.pop(each) for each in ("input", "weight")[len(args) :])]
            args[:2] = self.activation(args[0]), _rounded_weights(args[1])
        elif name in ROUNDED:
            args = list(map(self.activation, args))
        return func(*args, **named)

    def activation(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        kept = self.ranges[self.number]
        self.number += 1
        if self.follows:
            with torch.no_grad():
                found = torch.stack(value.aminmax())
                mean = torch.where(kept.isfinite(), kept.lerp(found, MOVING_AVERAGE), found)
                kept.copy_(torch.stack([torch.minimum(mean[0], found[0]), torch.maximum(mean[1], found[1])]))
        least, largest = kept[0].clamp(max=0), kept[1].clamp(min=0)  # 0 is exact: padding needs it
        scale = ((largest - least) / 255).clamp(min=torch.finfo(torch.float32).eps)
        zero_point = (-128 - (least / scale).round()).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(value, scale, zero_point, -128, 127)


def _rounded_weights(weights: Tensor) -> Tensor:
    """Each to a multiple of a 127th of the largest magnitude in its output channel, the first dimension."""
    found = weights.detach()
    largest = found.abs().amax(tuple(range(1, found.dim())), keepdim=True)
    scale = largest.clamp(min=torch.finfo(found.dtype).eps) / 127
    return weights + ((found / scale).round() * scale - found)
