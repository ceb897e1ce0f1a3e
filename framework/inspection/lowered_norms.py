"""Layer and group normalisation as LiteRT runs them in int8: their statistics are in float32."""

from collections.abc import Sequence
from math import prod

from framework.inspection.graph import Operation, Value
from framework.inspection.program import Builder


def layer_norm(made: Builder, operation: Operation) -> None:
    """As x / deviation - mean / deviation, over the last dimension of the map."""
    shape, groups = operation.outputs[0].shape, operation.outputs[1].shape
    x = made.add("RESHAPE", [made.at[operation.inputs[0].index]], shape)
    exact = _float(made, x, shape)
    mean = _mean(made, exact, groups)
    column = _float(made, made.add("RESHAPE", [mean], groups), groups)
    squares = made.add("SQUARED_DIFFERENCE", [exact, column], (*shape, 4))
    scale = _inverse_deviation(made, _mean(made, squares, groups), groups)
    shift = made.add("SUB", [made.add("MUL", [scale, mean], groups)], groups, weights=1)
    x = made.add("MUL", [x, made.add("RESHAPE", [scale], groups)], shape)
    x = made.add("ADD", [x, made.add("RESHAPE", [shift], groups)], shape)
    for operator in ("MUL", "ADD") if _constants(operation) else ():
        x = made.add(operator, [x], shape, weights=_constants(operation))
    made.at[operation.outputs[0].index] = made.add("RESHAPE", [x], shape)


def group_norm(made: Builder, operation: Operation) -> None:
    """As a scale and a shift for each channel, with the channels first."""
    shape, groups = operation.outputs[0].shape, operation.outputs[1].shape
    channels = (shape[1],)
    first = made.add("TRANSPOSE", [made.at[operation.inputs[0].index]], shape)
    x = made.add("RESHAPE", [first], shape)
    mean = _mean(made, _float(made, x, shape), groups)
    centred = made.add("SUB", [x, mean], shape)
    squares = made.add("MUL", [centred], shape)
    deviation = _inverse_deviation(made, _mean(made, _float(made, squares, shape), groups), groups)
    scale = made.add("MUL", [deviation], channels, weights=_constants(operation))
    shift = made.add("MUL", [made.add("MUL", [mean], groups, weights=1), scale], channels)
    shift = made.add("ADD", [shift], channels, weights=_constants(operation))
    scale, shift = (made.add("RESHAPE", [each], channels) for each in (scale, shift))
    x = made.add("ADD", [made.add("MUL", [first, scale], shape), shift], shape)
    made.at[operation.outputs[0].index] = x


def _constants(operation: Operation) -> int:
    weight = operation.arguments["weight"]
    return prod(weight.shape) if isinstance(weight, Value) else 0


def _float(made: Builder, tensor: int, shape: Sequence[int]) -> int:
    return made.add("DEQUANTIZE", [tensor], (*shape, 4))


def _mean(made: Builder, tensor: int, shape: Sequence[int]) -> int:
    """An average in float32, as int8 numbers."""
    return made.add("QUANTIZE", [made.add("MEAN", [tensor], (*shape, 4), scratch=(16, 8))], shape)


def _inverse_deviation(made: Builder, variance: int, shape: Sequence[int]) -> int:
    exact = _float(made, made.add("ADD", [variance], shape, weights=1), shape)
    return made.add("QUANTIZE", [made.add("RSQRT", [exact], (*shape, 4))], shape)
