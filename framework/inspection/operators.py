"""The rule for each operator of ATen that is known: first those on feature maps, then the table of all."""

from collections.abc import Callable, Sequence
from fractions import Fraction

from framework.inspection import tensor_operators as tensors
from framework.inspection.graph import Operation
from framework.inspection.layout import UntrackableError, axes
from framework.inspection.reading import Layouts, Result, averages_all, known, moved, per_axis
from framework.inspection.taps import Border, Taps, adaptive, interpolated, transposed, window


def convolution(operation: Operation, layouts: Layouts) -> Result:
    """A convolution, transposed ones included, with weights that do not depend on the image."""
    weight = operation.arguments["weight"]
    if weight.index in layouts:
        raise UntrackableError("a convolution whose weights depend on the image")
    channels = 1 - len(weight.shape)
    return moved(operation, layouts, {channels: None, **_windows(operation, weight.shape[2:])})


def pooling(operation: Operation, layouts: Layouts) -> Result:
    """An average over a window that is the whole feature map is a reduction, as in adaptive pooling."""
    if averages_all(operation):
        return moved(operation, layouts, {-2: None, -1: None})
    return moved(operation, layouts, _windows(operation, per_axis(operation, "kernel_size")))


def _windows(operation: Operation, kernel: Sequence[int]) -> dict[int, Taps]:
    defaults = (("stride", kernel), ("padding", 0), ("dilation", 1))
    settings = (per_axis(operation, name, len(kernel), default) for name, default in defaults)
    transposes = operation.arguments.get("transposed")
    taps = {}
    for place, (extent, stride, padding, dilation) in enumerate(zip(kernel, *settings, strict=True), -len(kernel)):
        if transposes and len({tap * dilation % stride for tap in range(extent)}) < stride:
            raise UntrackableError("a transposed convolution that leaves positions empty")
        taps[place] = (transposed if transposes else window)(extent, stride, padding, dilation)
    return taps


def _resized(operation: Operation, layouts: Layouts, make: Callable[[int, int], Taps | None]) -> Result:
    """Operators that bring the last two dimensions to another size, and may change the channels for it."""
    old, new = operation.inputs[0].shape, operation.outputs[0].shape
    channels = {} if old[-3] == new[-3] else {-3: None}
    return moved(operation, layouts, channels | {place: make(old[place], new[place]) for place in (-2, -1)})


def adaptive_pooling(operation: Operation, layouts: Layouts) -> Result:
    """An adaptive pooling to one position is a reduction: that axis of the image is gone."""
    return _resized(operation, layouts, lambda old, new: adaptive(old, new) if new > 1 else None)


def nearest(operation: Operation, layouts: Layouts) -> Result:
    """Nearest-neighbour resizing, and channels to positions (Shi et al. 2016)."""
    return _resized(operation, layouts, lambda old, new: adaptive(old, new, nearest=True))


def pixel_unshuffle(operation: Operation, layouts: Layouts) -> Result:
    """Positions to channels."""
    return _resized(operation, layouts, adaptive)


def interpolation(operation: Operation, layouts: Layouts) -> Result:
    """Linear and cubic resizing."""
    reach = 2 if "bicubic" in operation.target else 1

    def make(old: int, new: int) -> Taps:
        if operation.arguments["align_corners"]:
            return interpolated(Fraction(old - 1, max(new - 1, 1)), Fraction(0), reach)
        scale = Fraction(old, new)
        return interpolated(scale, scale / 2 - Fraction(1, 2), reach)

    return _resized(operation, layouts, make)


def pad(operation: Operation, layouts: Layouts) -> Result:
    """Padding with zeros, the border or a reflection."""
    old, new = operation.inputs[0].shape, operation.outputs[0].shape
    borders: dict[str, Border] = {"reflection_pad2d": "reflect", "replication_pad2d": "replicate"}
    border = borders.get(operation.target, "zeros")
    before = (operation.arguments.get("pad") or operation.arguments["padding"])[::2]
    taps = {-1 - n: window(padding=amount, border=border) for n, amount in enumerate(before)}
    return moved(operation, layouts, {place: read for place, read in taps.items() if old[place] != new[place]})


_RULES: dict[str, Callable[[Operation, Layouts], Result]] = {
    name: rule
    for rule, names in {
        convolution: "convolution",
        pooling: "max_pool2d max_pool2d_with_indices avg_pool2d",
        adaptive_pooling: "_adaptive_avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d",
        nearest: "upsample_nearest2d pixel_shuffle",
        interpolation: "upsample_bilinear2d upsample_bicubic2d",
        pixel_unshuffle: "pixel_unshuffle",
        tensors.normalisation: "native_batch_norm native_layer_norm native_group_norm",
        tensors.reduction: "mean sum amax amin max min var std var_mean std_mean logsumexp linalg_vector_norm prod",
        tensors.mixed_along: "_softmax _safe_softmax _log_softmax cumsum sort",
        tensors.matrix_product: "mm bmm addmm baddbmm",
        tensors.attention: "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_attention_math",
        tensors.view: "view _unsafe_view reshape unsqueeze squeeze",
        tensors.permute: "permute transpose t",
        tensors.part: "slice split split_with_sizes chunk",
        tensors.select: "select unbind",
        tensors.cat: "cat stack",
        pad: "constant_pad_nd reflection_pad2d replication_pad2d",
    }.items()
    for name in names.split()
}
# those that ATen does not mark as pointwise, or that are pointwise up to a broadcast
_ELEMENTWISE = frozenset(
    {
        *("alias", "clone", "copy", "detach", "expand", "_to_copy", "lift_fresh", "hardswish", "hardsigmoid"),
        *("log_sigmoid_forward", "_prelu_kernel", "rrelu_with_noise", "celu", "selu", "mish", "leaky_relu"),
    }
)


def follow(operation: Operation, layouts: Layouts) -> Result:
    """The outputs of an operation, given the layouts of the values that depend on the image, by index.

    Raises UntrackableError for an operator that is not known.
    """
    if any(value.aliased for value in operation.inputs):
        raise UntrackableError("a tensor that was partly written through a view of it")
    if not any(axes(layouts[value.index]) for value in known(operation, layouts)):
        return tensors.without_axes(operation, layouts)
    if operation.target in _RULES:
        return _RULES[operation.target](operation, layouts)
    if operation.pointwise or operation.target in _ELEMENTWISE:
        return tensors.elementwise(operation, layouts)
    raise UntrackableError(f"the operator {operation.target}")
