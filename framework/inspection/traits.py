"""What kinds of layer a network runs, judged by its operations and not by the names of its classes."""

from collections.abc import Callable

from framework.inspection.graph import Operation
from framework.inspection.layout import axes
from framework.inspection.network import Network, last_feature_maps
from framework.inspection.reading import averages_all, per_axis, reduced_dims

_AVERAGES = frozenset({"mean", "avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool2d"})
_BETWEEN = frozenset(
    {
        *("native_batch_norm", "native_layer_norm", "native_group_norm", "relu", "hardtanh", "gelu", "silu"),
        *("mish", "elu", "celu", "selu", "leaky_relu", "_prelu_kernel", "hardswish", "hardsigmoid", "sigmoid"),
        *("tanh", "softplus", "rrelu_with_noise", "clamp", "clamp_min", "clamp_max", "permute", "transpose"),
        *("view", "clone", "alias", "detach", "_to_copy", "native_dropout", "contiguous"),
    }
)


def convolutions(network: Network) -> tuple[Operation, ...]:
    """The convolutions on the way from the image to the output, transposed ones included."""
    return tuple(operation for operation in network.graph.live() if operation.target == "convolution")


def strided_convolutions(network: Network, *, except_kernel: int | None = None) -> tuple[Operation, ...]:
    """Convolutions with a stride above 1 along some axis; a transposed one enlarges and is not meant.

    Those with a square kernel of `except_kernel` pixels are left out.
    """
    return tuple(
        operation
        for operation in convolutions(network)
        if max(operation.arguments["stride"]) > 1
        and not operation.arguments["transposed"]
        and set(operation.arguments["weight"].shape[2:]) != {except_kernel}
    )


def dilated_convolutions(network: Network) -> tuple[Operation, ...]:
    """Convolutions with a dilation above 1 along an axis on which the kernel has several taps that can meet data."""

    def dilated(operation: Operation) -> bool:
        kernels, sizes = (operation.arguments[name].shape[2:] for name in ("weight", "input"))
        dilations = per_axis(operation, "dilation", len(kernels))
        return any(k > 1 and 1 < d < n for k, d, n in zip(kernels, dilations, sizes, strict=True))

    return tuple(filter(dilated, convolutions(network)))


def separable_convolutions(network: Network) -> tuple[Operation, ...]:
    """Depthwise convolutions with a pointwise one in sequence, before or after, norm and activation between allowed.

    Depthwise: as many groups as input channels, more than one, and a kernel larger than one pixel. Pointwise: a 1x1
    kernel or a matrix product that mixes the channels at each position.
    """
    live = network.graph.live()
    makers: dict[int, Operation] = {}  # of each value, past what may stand between
    separable: set[int] = set()
    for operation in live:
        before = [makers[value.index] for value in operation.inputs if value.index in makers]
        if operation.target in _BETWEEN:
            makers.update((value.index, maker) for maker in before[:1] for value in operation.outputs)
            continue
        makers.update((value.index, operation) for value in operation.outputs)
        if _pointwise(operation):
            separable.update(id(maker) for maker in before if _depthwise(maker))
        if _depthwise(operation) and any(map(_pointwise, before)):
            separable.add(id(operation))
    return tuple(operation for operation in live if id(operation) in separable)


def global_averages(network: Network) -> tuple[Operation, ...]:
    """Averages over the whole of the last feature map, along one axis or both, in any form.

    An average on a side branch, as in squeeze-and-excitation, is not meant; where the positions of a network cannot
    be followed, it is not told apart.
    """
    live = tuple(operation for operation in network.graph.live() if operation.target in _AVERAGES)
    if network.untracked is not None:
        return tuple(operation for operation in live if _whole_average(operation))
    return tuple(operation for operation in live if any(_ends_axis(network, operation, axis) for axis in (0, 1)))


def max_poolings(network: Network) -> tuple[Operation, ...]:
    """Every maximum over positions that runs, global ones included and whether or not its result is used."""
    return _running(network, _maximum)


def local_poolings(network: Network) -> tuple[Operation, ...]:
    """Every pooling that runs but the global average."""
    return _running(network, lambda op: _maximum(op) or ("avg_pool" in op.target and not _whole_average(op)))


def strides(network: Network) -> tuple[Operation, ...]:
    """Whatever steps over positions: convolutions and poolings with a stride above 1, slices with a step.

    A global average is not a stride, whatever its window.
    """
    return _running(network, lambda operation: _steps(operation) and not _whole_average(operation))


def _running(network: Network, kind: Callable[[Operation], bool]) -> tuple[Operation, ...]:
    return tuple(operation for operation in network.graph.operations if operation.from_input and kind(operation))


def _steps(operation: Operation) -> bool:
    if operation.target == "slice":
        return int(operation.arguments["step"]) > 1 and int(operation.arguments["dim"]) % _rank(operation) > 1
    if operation.target == "convolution":
        return bool(max(operation.arguments["stride"]) > 1)
    if "_pool" in operation.target:
        made, read = operation.outputs[0].shape[-2:], operation.inputs[0].shape[-2:]
        stride = per_axis(operation, "stride", default=operation.arguments.get("kernel_size", 0))
        return max(stride) > 1 or (stride == [0, 0] and any(m < r for m, r in zip(made, read, strict=True)))
    return False


def _rank(operation: Operation) -> int:
    return len(operation.inputs[0].shape)


def _depthwise(operation: Operation) -> bool:
    if operation.target != "convolution":
        return False
    weight = operation.arguments["weight"].shape
    return bool(operation.arguments["groups"] == operation.inputs[0].shape[1] > 1 and max(weight[2:]) > 1)


def _pointwise(operation: Operation) -> bool:
    if operation.target == "convolution":
        return bool(operation.arguments["groups"] == 1 and max(operation.arguments["weight"].shape[2:]) == 1)
    return operation.target in ("mm", "addmm") and operation.inputs[-2].shape[0] > 1


def _ends_axis(network: Network, operation: Operation, axis: int) -> bool:
    """Whether an operation is what reduces one of the last feature maps along an axis."""
    gone = axis not in axes(network.layouts[operation.outputs[0].index])
    return gone and operation.inputs[0].index in last_feature_maps(network, axis)


def _whole_average(operation: Operation) -> bool:
    """Whether an operation averages each channel over all positions, by its shapes."""
    if operation.target not in _AVERAGES:
        return False
    if operation.target == "mean":
        return _rank(operation) == 4 and len(reduced_dims(operation, 4) - {0}) >= 2
    return averages_all(operation) or (operation.target != "avg_pool2d" and operation.outputs[0].shape[-2:] == (1, 1))


def _maximum(operation: Operation) -> bool:
    if operation.target in ("amax", "max"):
        rank = _rank(operation)
        return rank > 4 or (rank > 2 and bool(reduced_dims(operation, rank) - {0, 1}))
    return "max_pool" in operation.target
