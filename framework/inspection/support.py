"""The receptive field and the input coverage measured by gradients: a second way, that shares no code with the first.

A gradient is nonzero where a pixel reaches a position, if nothing hides it. So the copy that is measured has random
positive weights in double precision (no zeros, no cancellation), its activations and normalisations are the identity
and its maxima are sums (every candidate counts, not the winner alone). For the field, global averages pass no
gradient, so that a field is not the whole image only because of them.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _pair
from torch.overrides import TorchFunctionMode

from framework.errors import EmberfieldError
from framework.inspection.exact_field import LayerField, ReceptiveField
from framework.inspection.graph import Running, check_shape, copy_to, tensors_in
from framework.inspection.taps import Mask

_IDENTITIES = frozenset(
    {
        *("relu", "relu6", "hardtanh", "gelu", "silu", "mish", "elu", "celu", "selu", "leaky_relu", "prelu", "rrelu"),
        *("hardswish", "hardsigmoid", "sigmoid", "tanh", "softplus", "logsigmoid", "softsign", "threshold", "clamp"),
        *("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "local_response_norm"),
        *("dropout", "dropout2d", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"),
    }
)
_POSITIONS = 4  # neighbours to measure: an upsampling by up to this factor shows all its phases
_LARGEST = 512  # pixels: larger images are not tried


def measured_field(model: nn.Module, input_shape: tuple[int, int, int], reason: str | None = None) -> ReceptiveField:
    """The receptive field of the last layer with a feature map (N, C, H, W), by gradient support.

    The image is enlarged until the field lies well within it, as far as the model accepts. Jump and offset are those
    of the middle of the feature map. `reason` is passed on. Raises EmberfieldError where the model does not accept the
    shape or has no feature map.
    """
    channels, height, width = input_shape
    field = _field(model, input_shape)
    # A quarter is left free for fields on a subsampled grid, which need not touch the border.
    while 4 * field.size[0] > 3 * height or 4 * field.size[1] > 3 * width:
        height, width = 2 * height, 2 * width
        if max(height, width) > _LARGEST:
            break
        try:
            field = _field(model, (channels, height, width))
        except EmberfieldError:  # the network is made for its own size
            break
    return ReceptiveField((field,), field, "gradients", reason)


def measured_coverage(model: nn.Module, input_shape: tuple[int, int, int]) -> Mask:
    """Which pixels, (H, W), reach the output of the model, by gradient support; errors as in `measured_field`."""
    pixels, outputs = _forward(model, input_shape, _Transparent())
    total = sum((output.sum() for output in outputs if output.requires_grad), torch.zeros(()))
    return _support(total, pixels)


def _forward(
    model: nn.Module, input_shape: tuple[int, int, int], mode: "_Transparent"
) -> tuple[Tensor, tuple[Tensor, ...]]:
    check_shape(input_shape)
    network = copy_to(model, torch.device("cpu")).double()
    generator = torch.Generator().manual_seed(0)
    for tensor in network.parameters():
        weights = 0.5 + torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        fan_in = tensor[0].numel() if tensor.dim() > 1 else 1  # keeps the sums near 1
        tensor.requires_grad_(False).copy_(weights / fan_in)
    pixels = torch.ones((1, *input_shape), dtype=torch.float64, requires_grad=True)
    mode.running = Running(network)
    try:
        with torch.random.fork_rng(devices=[]), mode:
            output = network(pixels * 1.0)  # not a leaf, which could not be written to
    except Exception as error:
        raise EmberfieldError(f"the network does not run on an image of shape {input_shape}: {error}") from error
    return pixels, tensors_in(output)


def _support(total: Tensor, pixels: Tensor) -> Mask:
    if not total.requires_grad:
        return np.zeros(tuple(pixels.shape[2:]), bool)
    (gradient,) = torch.autograd.grad(total, pixels, retain_graph=True)
    seen: Mask = (gradient != 0).any(1)[0].numpy()
    return seen


def _field(model: nn.Module, input_shape: tuple[int, int, int]) -> LayerField:
    """The field of positions in the middle of the last feature map, one after the other along both axes at once."""
    mode = _Transparent(local=True)
    pixels, _ = _forward(model, input_shape, mode)
    if mode.last is None:
        raise EmberfieldError("no layer of the network has a feature map (N, C, H, W) to measure")
    layer, feature_map = mode.last
    map_size = (int(feature_map.shape[2]), int(feature_map.shape[3]))
    starts = [max(0, (n - _POSITIONS) // 2) for n in map_size]
    places = [
        [min(start + step, n - 1) for step in range(_POSITIONS)] for start, n in zip(starts, map_size, strict=True)
    ]
    seen = [_support(feature_map[:, :, row, column].sum(), pixels) for row, column in zip(*places, strict=True)]

    def figures(axis: int) -> tuple[int, Fraction, float]:
        """Size, jump and offset."""
        reached = [np.flatnonzero(mask.any(1 - axis)) for mask in seen]
        centres = [float(pixel[0] + pixel[-1]) / 2 if pixel.size else 0.0 for pixel in reached]
        steps = places[axis][-1] - places[axis][0]
        jump = Fraction(centres[-1] - centres[0]) / steps if steps else Fraction(0)
        size = max(int(np.ptp(pixel)) + 1 if pixel.size else 0 for pixel in reached)
        return size, jump, centres[0] - starts[axis] * float(jump)

    y, x = figures(0), figures(1)
    return LayerField(layer, (y[0], x[0]), (y[1], x[1]), (y[2], x[2]), map_size)


class _Transparent(TorchFunctionMode):
    """Replaces what hides support, and keeps the last feature map with the layer that made it.

    With `local`, an average over a whole feature map passes no gradient.
    """

    def __init__(self, local: bool = False) -> None:
        super().__init__()
        self.local = local
        self.running: Running | None = None
        self.last: tuple[str, Tensor] | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = self._replaced(func, getattr(func, "__name__", "").strip("_"), args, kwargs or {})
        if isinstance(result, Tensor) and result.dim() == 4 and result.requires_grad:
            self.last = (self.running.now[0] if self.running else "", result)
        return result

    def _replaced(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        if name in _IDENTITIES:
            return args[0] if args else kwargs["input"]
        if name in ("max_pool2d", "max_pool2d_with_indices"):
            return _sum_pool2d(*args, **kwargs)
        if name in ("maximum", "minimum") or (name in ("max", "min") and len(args) == 2 and torch.is_tensor(args[1])):
            return args[0] + args[1]
        if name in ("amax", "amin"):
            return self._averaged(torch.mean, args, kwargs)
        if name in ("adaptive_max_pool2d", "adaptive_max_pool2d_with_indices"):
            return self._averaged(F.adaptive_avg_pool2d, args[:2], {})
        if name in ("mean", "adaptive_avg_pool2d", "avg_pool2d"):
            return self._averaged(func, args, kwargs)
        return func(*args, **kwargs)

    def _averaged(self, func: Any, args: Any, kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        before = args[0] if args else kwargs["input"]
        whole = before.dim() == 4 and (result.dim() < 3 or result.shape[2:] == (1, 1)) and before.shape[2:] != (1, 1)
        return result.detach() if self.local and whole else result


def _sum_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Max-pooling with every candidate let through, as a depthwise convolution with ones."""
    rows, columns = F.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode).shape[2:]
    kernel, steps, pads, gaps = map(_pair, (kernel_size, stride or kernel_size, padding, dilation))
    padded = F.pad(input, (pads[1], pads[1] + steps[1], pads[0], pads[0] + steps[0]))  # a step more, for `ceil_mode`
    channels = input.shape[1]
    ones = torch.ones((channels, 1, *kernel), dtype=input.dtype) / (kernel[0] * kernel[1])
    pooled = F.conv2d(padded, ones, None, steps, 0, gaps, channels)[:, :, :rows, :columns]
    return (pooled, torch.zeros(pooled.shape, dtype=torch.int64)) if return_indices else pooled
