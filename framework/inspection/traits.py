"""What kinds of layer a network runs, judged by its operations and not by the names of its classes."""

from collections.abc import Iterator

from framework.inspection.graph import Operation, Value
from framework.inspection.layout import axes
from framework.inspection.network import Network, last_maps
from framework.inspection.reading import averages_all, pair

_AVERAGES = frozenset({"mean", "avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool2d"})
_MAXIMA = frozenset(
    {
        *("max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d"),
        *("max_pool3d_with_indices", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
        *("fractional_max_pool2d", "amax", "max"),
    }
)
_LOCAL_AVERAGES = frozenset({"avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "adaptive_avg_pool2d"})
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


def strided_convolutions(network: Network) -> tuple[Operation, ...]:
    """Convolutions with a stride above 1 along some axis; a transposed one enlarges its map and is not meant."""
    return tuple(
        operation
        for operation in convolutions(network)
        if max(operation.arguments["stride"]) > 1 and not operation.arguments["transposed"]
    )


def dilated_convolutions(network: Network) -> tuple[Operation, ...]:
    """Convolutions with a dilation above 1 along an axis on which the kernel has several taps that can meet data."""
    return tuple(
        operation
        for operation in convolutions(network)
        if any(
            kernel > 1 and 1 < dilation < size
            for kernel, dilation, size in zip(
                operation.arguments["weight"].shape[2:],
                _per_axis(operation, "dilation"),
                operation.arguments["input"].shape[2:],
                strict=True,
            )
        )
    )


def separable_convolutions(network: Network) -> tuple[Operation, ...]:
    """Depthwise convolutions with a pointwise one in sequence, before or after, norm and activation between allowed.

    Depthwise: as many groups as input channels, more than one, and a kernel larger than one pixel. Pointwise: a 1x1
    kernel or a matrix product that mixes the channels at each position.
    """
    live = network.graph.live()
    makers = {value.index: operation for operation in live for value in operation.outputs}
    users: dict[int, list[Operation]] = {}
    for operation in live:
        for value in operation.inputs:
            users.setdefault(value.index, []).append(operation)

    def before(value: Value) -> Iterator[Operation]:
        maker = makers.get(value.index)
        while maker is not None and maker.target in _BETWEEN:
            maker = makers.get(_image_input(maker).index)
        if maker is not None:
            yield maker

    def after(value: Value) -> Iterator[Operation]:
        for user in users.get(value.index, ()):
            if user.target in _BETWEEN:
                yield from after(user.outputs[0])
            else:
                yield user

    return tuple(
        operation
        for operation in live
        if _depthwise(operation) and any(map(_pointwise, [*before(operation.inputs[0]), *after(operation.outputs[0])]))
    )


def global_averages(network: Network) -> tuple[Operation, ...]:
    """Averages over the whole of the last map, along one axis or both: adaptive pooling to 1x1, a mean, a full window.

    An average on a side branch, as in squeeze-and-excitation, is not meant; where the positions of a network cannot
    be followed, it is not told apart.
    """
    live = tuple(operation for operation in network.graph.live() if operation.target in _AVERAGES)
    if network.untracked is not None:
        return tuple(operation for operation in live if _whole_average(operation))
    return tuple(operation for operation in live if any(_ends_axis(network, operation, axis) for axis in (0, 1)))


def max_poolings(network: Network) -> tuple[Operation, ...]:
    """Every maximum over positions that runs, global ones included and whether or not its result is used."""
    return tuple(operation for operation in network.graph.operations if operation.from_input and _maximum(operation))


def local_poolings(network: Network) -> tuple[Operation, ...]:
    """Every pooling that runs but the global average."""
    return tuple(
        operation
        for operation in network.graph.operations
        if operation.from_input
        and (_maximum(operation) or (operation.target in _LOCAL_AVERAGES and not _whole_average(operation)))
    )


def strides(network: Network) -> tuple[Operation, ...]:
    """Whatever steps over positions: convolutions and poolings with a stride above 1, slices with a step.

    A global average is not a stride, whatever its window.
    """
    return tuple(
        operation
        for operation in network.graph.operations
        if operation.from_input and not _whole_average(operation) and _steps(operation)
    )


def _steps(operation: Operation) -> bool:
    if operation.target == "slice":
        return int(operation.arguments["step"]) > 1 and int(operation.arguments["dim"]) % _rank(operation) > 1
    if operation.target == "convolution":
        return bool(max(operation.arguments["stride"]) > 1)
    if "_pool" in operation.target:
        made, read = operation.outputs[0].shape[-2:], operation.inputs[0].shape[-2:]
        stride = operation.arguments.get("stride") or operation.arguments.get("kernel_size")
        return max(pair(stride)) > 1 if stride else any(m < r for m, r in zip(made, read, strict=True))
    return False


def _rank(operation: Operation) -> int:
    return len(operation.inputs[0].shape)


def _per_axis(operation: Operation, name: str) -> list[int]:
    numbers = list(operation.arguments[name])
    return numbers * (_rank(operation) - 2) if len(numbers) == 1 else numbers


def _image_input(operation: Operation) -> Value:
    return next(value for value in operation.inputs if value.from_input)


def _depthwise(operation: Operation) -> bool:
    if operation.target != "convolution":
        return False
    weight = operation.arguments["weight"].shape
    return bool(operation.arguments["groups"] == operation.inputs[0].shape[1] > 1 and max(weight[2:]) > 1)


def _pointwise(operation: Operation) -> bool:
    if operation.target == "convolution":
        return bool(operation.arguments["groups"] == 1 and max(operation.arguments["weight"].shape[2:]) == 1)
    return operation.target in ("mm", "addmm") and operation.inputs[-2].shape[0] > 1


def _reduced(operation: Operation) -> set[int]:
    given, rank = operation.arguments.get("dim"), _rank(operation)
    numbers = range(rank) if given is None or given == [] else [given] if isinstance(given, int) else given
    return {int(number) % rank for number in numbers}


def _ends_axis(network: Network, operation: Operation, axis: int) -> bool:
    """Whether an operation is what reduces one of the last maps along an axis."""
    gone = axis not in axes(network.layouts[operation.outputs[0].index])
    return gone and operation.inputs[0].index in last_maps(network, axis)


def _whole_average(operation: Operation) -> bool:
    """Whether an operation averages each channel over all positions, by its shapes."""
    if operation.target not in _AVERAGES:
        return False
    if operation.target == "mean":
        return _rank(operation) == 4 and len(_reduced(operation) - {0}) >= 2
    return averages_all(operation) or (operation.target != "avg_pool2d" and operation.outputs[0].shape[-2:] == (1, 1))


def _maximum(operation: Operation) -> bool:
    if operation.target in ("amax", "max"):
        return _rank(operation) > 4 or (_rank(operation) > 2 and bool(_reduced(operation) - {0, 1}))
    return operation.target in _MAXIMA
