"""Depthwise kernels as devices compute them fast: without taps that meet no pixel, as sums of small parts."""

import functools
from collections.abc import Sequence

from framework.inspection.graph import Operation
from framework.inspection.program import Builder
from framework.inspection.reading import per_axis

TILES = (9, 25)
"""The taps that XNNPACK's depthwise microkernels compute in one pass ("9p", "25p"): fewer take as long. A larger kernel
is many times slower than its taps suggest."""

SUM_TAPS = 3
"""The time of a sum of two maps, in taps of a kernel over one of them."""

Part = tuple[range, range]
"""The rows and the columns of a kernel that are one part; the steps are its dilation."""


def kernel_parts(
    kernel: Sequence[int], size: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> tuple[Part, ...]:
    """The parts of a depthwise kernel over maps of this size (height, width), the fastest found; their sum is the same.

    Rows and columns that meet only the padding are left out. The others are divided until no part has more taps than
    the largest of TILES, each part evenly spaced and around the middle of the kernel, so that its padding is the same
    on both sides. One part, the whole, where the padding is too narrow for a part.
    """
    rows, columns = (_reaching(*axis) for axis in zip(kernel, size, stride, padding, dilation, strict=True))
    parts = tuple((_of(rows, some), _of(columns, others)) for some, others in _division(len(rows), len(columns)))
    fit = all(part[axis][0] * dilation[axis] <= padding[axis] for part in parts for axis in range(2))
    return parts if fit else (whole(kernel),)


def whole(kernel: Sequence[int]) -> Part:
    """The part that has all rows and columns."""
    return range(kernel[0]), range(kernel[1])


def parts_of(operation: Operation) -> tuple[Part, ...]:
    """The parts of a depthwise kernel, as `framework.export.depthwise` divides it; none if it does not."""
    kernel = operation.arguments["weight"].shape[2:]
    if len(kernel) != 2 or operation.arguments["transposed"]:
        return ()
    names = (("stride", 1), ("padding", 0), ("dilation", 1))
    parts = kernel_parts(
        kernel, operation.inputs[0].shape[2:], *(per_axis(operation, name, 2, default) for name, default in names)
    )
    return () if parts == (whole(kernel),) else parts


def sum_of_parts(made: Builder, operation: Operation, parts: Sequence[Part]) -> int:
    """A convolution for each part, and their sum; the tensor that it becomes."""
    image, weight = operation.inputs[:2]
    channels, shared = weight.shape[0], made.shares(weight)
    shape, total = operation.outputs[0].shape, -1
    for rows, columns in parts:
        facts = {"weights": channels * len(rows) * len(columns), "channels": channels, "shared": shared}
        term = made.add("DEPTHWISE_CONV_2D", [made.at[image.index]], shape, **facts)
        total = term if total < 0 else made.add("ADD", [total, term], shape)
    return total


def _reaching(extent: int, size: int, stride: int, padding: int, dilation: int) -> range:
    """The rows of a kernel without the outermost that meet only the padding, as many at both ends."""
    starts = range(-padding, size + padding - dilation * (extent - 1), stride)
    meets = [any(0 <= start + row * dilation < size for start in starts) for row in range(extent)]
    ends = [meets[row] or meets[-1 - row] for row in range((extent + 1) // 2)]
    ends[-1] = True  # a kernel needs a row, even where none meets a pixel
    cut = min(ends.index(True), padding // dilation)
    return range(cut, extent - cut)


@functools.cache
def _division(rows: int, columns: int) -> tuple[Part, ...]:
    """The cheapest division found of a kernel into parts of parts."""
    every = range(rows), range(columns)
    found: list[tuple[Part, ...]] = [(every,)]
    if rows * columns > TILES[0]:
        for pieces in _pieces(every[0]):
            found.append(
                tuple((_of(piece, some), each) for piece in pieces for some, each in _division(len(piece), columns))
            )
        for pieces in _pieces(every[1]):
            found.append(
                tuple((each, _of(piece, some)) for piece in pieces for each, some in _division(rows, len(piece)))
            )
    return min(found, key=_cost)


def _pieces(taps: range) -> list[tuple[range, range]]:
    """The ends and what is between them; each second and the others."""
    if len(taps) < 3:
        return []
    between = [(taps[:: len(taps) - 1], taps[1:-1])]
    return between + [(taps[::2], taps[1::2])] * (len(taps) % 2)


def _cost(parts: Sequence[Part]) -> int:
    passes = (len(rows) * len(columns) for rows, columns in parts)
    tiles = (next((tile for tile in TILES if taps <= tile), 1000 * taps) for taps in passes)
    return sum(tiles) + SUM_TAPS * (len(parts) - 1)


def _of(taps: range, places: range) -> range:
    return taps[places.start : places.stop : places.step]
