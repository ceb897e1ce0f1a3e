"""What the operators on feature maps read: convolution, pooling, resizing, padding."""

from collections.abc import Callable, Sequence
from fractions import Fraction

from framework.inspection.graph import Operation
from framework.inspection.layout import Dimension, Edge, Factor, UntrackableError, axes, axis_of, plain
from framework.inspection.reading import Layouts, Result, averages_all, per_axis, subject
from framework.inspection.taps import Border, Taps, adaptive, interpolated, transposed, window


def _windowed(operation: Operation, layouts: Layouts, kernel: Sequence[int], channels: int | None) -> Result:
    value, layout = subject(operation, layouts)
    shape, number = operation.outputs[0].shape, len(kernel)
    strides, paddings, dilations = (
        per_axis(operation, name, number, default)
        for name, default in (("stride", kernel), ("padding", 0), ("dilation", 1))
    )
    after = list(layout)
    taps: dict[int, Taps] = {}
    for place, (extent, stride, padding, dilation) in enumerate(
        zip(kernel, strides, paddings, dilations, strict=True), start=len(shape) - number
    ):
        axis = axis_of(layout[place])
        after[place] = _resized_to(shape[place], axis)
        if axis is None:
            continue
        make = transposed if operation.arguments.get("transposed") else window
        if make is transposed and len({tap * dilation % stride for tap in range(extent)}) < stride:
            raise UntrackableError("a transposed convolution that leaves positions empty")
        taps[axis] = make(extent, stride, padding, dilation)
    if channels is not None:
        after[-number - 1] = plain(channels)
    for axis in axes(tuple(after)).keys() - taps.keys():
        taps[axis] = window()
    return [(tuple(after), [Edge(value.index, taps)])] * len(operation.outputs)


def _resized_to(length: int, axis: int | None) -> Dimension:
    return plain(length) if axis is None else (Factor(length, axis),)


def convolution(operation: Operation, layouts: Layouts) -> Result:
    """A convolution, transposed ones included, with weights that do not depend on the image."""
    weight = operation.arguments["weight"]
    if weight.index in layouts:
        raise UntrackableError("a convolution whose weights depend on the image")
    return _windowed(operation, layouts, weight.shape[2:], operation.outputs[0].shape[1])


def pooling(operation: Operation, layouts: Layouts) -> Result:
    """An average over a window that is the whole feature map is a reduction, as in adaptive pooling."""
    value, layout = subject(operation, layouts)
    if averages_all(operation):
        layouts = layouts | {value.index: (*layout[:-2], (), ())}
    return _windowed(operation, layouts, per_axis(operation, "kernel_size"), None)


def _resized(operation: Operation, layouts: Layouts, make: Callable[[int, int], Taps]) -> Result:
    """Operators that bring the last two dimensions to another size."""
    value, layout = subject(operation, layouts)
    shape = operation.outputs[0].shape
    after, taps = list(layout), {}
    for place in (-2, -1):
        axis = axis_of(layout[place])
        after[place] = _resized_to(shape[place], axis)
        if axis is not None:
            taps[axis] = make(value.shape[place], shape[place])
    return [(tuple(after), [Edge(value.index, taps)])] * len(operation.outputs)


def adaptive_pooling(operation: Operation, layouts: Layouts) -> Result:
    """An adaptive pooling to one position is a reduction: that axis of the image is gone."""
    value, layout = subject(operation, layouts)
    targets = operation.outputs[0].shape
    gone = {n % len(layout) for n in (-2, -1) if targets[n] == 1}
    kept = tuple(() if n in gone else dimension for n, dimension in enumerate(layout))
    return _resized(operation, layouts | {value.index: kept}, adaptive)


def nearest(operation: Operation, layouts: Layouts) -> Result:
    """Nearest-neighbour resizing."""
    return _resized(operation, layouts, lambda old, new: adaptive(old, new, nearest=True))


def interpolation(operation: Operation, layouts: Layouts) -> Result:
    """Linear and cubic resizing."""
    reach = 2 if "bicubic" in operation.target else 1

    def make(old: int, new: int) -> Taps:
        if operation.arguments["align_corners"]:
            return interpolated(Fraction(old - 1, max(new - 1, 1)), Fraction(0), reach)
        scale = Fraction(old, new)
        return interpolated(scale, scale / 2 - Fraction(1, 2), reach)

    return _resized(operation, layouts, make)


def pixel_shuffle(operation: Operation, layouts: Layouts) -> Result:
    """Channels to positions (Shi et al. 2016)."""
    return _changed_channels(nearest(operation, layouts), operation)


def pixel_unshuffle(operation: Operation, layouts: Layouts) -> Result:
    """Positions to channels."""
    factor = int(operation.arguments["downscale_factor"])
    return _changed_channels(_resized(operation, layouts, lambda *_: window(factor, factor)), operation)


def _changed_channels(result: Result, operation: Operation) -> Result:
    return [((*layout[:-3], plain(operation.outputs[0].shape[-3]), *layout[-2:]), edges) for layout, edges in result]


def pad(operation: Operation, layouts: Layouts) -> Result:
    """Padding with zeros, the border or a reflection."""
    value, layout = subject(operation, layouts)
    after = list(layout)
    borders: dict[str, Border] = {"reflection_pad2d": "reflect", "replication_pad2d": "replicate"}
    border = borders.get(operation.target, "zeros")
    amounts = operation.arguments.get("pad") or operation.arguments["padding"]
    before = dict(zip(range(len(layout) - 1, -1, -1), amounts[::2], strict=False))
    taps: dict[int, Taps] = {}
    for n, dimension in enumerate(layout):
        if (length := operation.outputs[0].shape[n]) != value.shape[n]:
            axis = axis_of(dimension)
            after[n] = _resized_to(length, axis)
            if axis is not None:
                taps[axis] = window(padding=before[n], border=border)
    return [(tuple(after), [Edge(value.index, {n: window() for n in axes(layout)} | taps)])]
