"""Large depthwise kernels as sums of smaller ones: which rows go together, and the steps that they become."""

from collections.abc import Sequence

from framework.inspection.graph import Operation
from framework.inspection.program import Builder
from framework.inspection.reading import per_axis

FAST_TAPS = 25
"""The largest depthwise kernel that XNNPACK computes in one pass (its microkernels "25p"); a larger one is many times
slower than its taps suggest."""


def kernel_parts(rows: int, columns: int) -> tuple[range, ...]:
    """The rows of each part of a kernel, so that none has more than FAST_TAPS taps.

    The middle rows are one part, and around them each two rows that are equally far from the middle: a kernel of two
    rows with a dilation, and with the same padding on both sides. One part, the whole, where the kernel is small, has
    an even number of rows, or has more than 12 columns.
    """
    middle = FAST_TAPS // columns
    middle -= 1 - middle % 2
    if rows * columns <= FAST_TAPS or rows % 2 == 0 or 2 * columns > FAST_TAPS:
        return (range(rows),)
    pairs = (rows - middle) // 2
    return (*(range(n, rows - n, rows - 1 - 2 * n) for n in range(pairs)), range(pairs, pairs + middle))


def parts_of(operation: Operation) -> tuple[range, ...]:
    """The parts of a depthwise kernel, as `framework.export.depthwise` divides it; none if it does not."""
    kernel = operation.arguments["weight"].shape[2:]
    if len(kernel) != 2 or operation.arguments["transposed"]:
        return ()
    parts = kernel_parts(*kernel)
    (padding, _), (dilation, _) = (per_axis(operation, name, 2, n) for n, name in enumerate(("padding", "dilation")))
    return parts if len(parts) > 1 and parts[-1].start * dilation <= padding else ()


def sum_of_parts(made: Builder, operation: Operation, parts: Sequence[range]) -> int:
    """A convolution for each part, and their sum; the tensor that it becomes."""
    image, weight = operation.inputs[:2]
    new = weight.index not in made.stored
    made.stored.add(weight.index)
    channels, _, _, columns = weight.shape
    shape, total = operation.outputs[0].shape, -1
    for part in parts:
        facts = {"weights": new * channels * len(part) * columns, "channels": new * channels}
        term = made.add("DEPTHWISE_CONV_2D", [made.at[image.index]], shape, **facts)
        total = term if total < 0 else made.add("ADD", [total, term], shape)
    return total
