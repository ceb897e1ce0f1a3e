"""Layer and group normalisation as LiteRT runs them in a network in int8: in float32."""

from collections.abc import Sequence
from math import prod

from framework.inspection.graph import Operation, Value
from framework.inspection.program import Builder


def layer_norm(made: Builder, operation: Operation) -> None:
    """As x / deviation - mean / deviation, over the last dimension of the map."""
    made.at[operation.outputs[0].index] = _normalized(made, operation, made.at[operation.inputs[0].index])


def group_norm(made: Builder, operation: Operation) -> None:
    """The same with the channels first, a group's with its pixels as the last dimension."""
    first = made.add("TRANSPOSE", [made.at[operation.inputs[0].index]], operation.outputs[0].shape)
    made.at[operation.outputs[0].index] = _normalized(made, operation, first)


def _normalized(made: Builder, operation: Operation, tensor: int) -> int:
    shape, groups = (*operation.outputs[0].shape, 4), (*operation.outputs[1].shape, 4)
    x = made.add("RESHAPE", [made.add("DEQUANTIZE", [tensor], shape)], shape)
    mean = _mean(made, x, groups)
    squares = made.add("SQUARED_DIFFERENCE", [x, made.add("RESHAPE", [mean], groups)], shape)
    variance = made.add("ADD", [_mean(made, squares, groups)], groups, weights=1)
    scale = made.add("RSQRT", [variance], groups)
    shift = made.add("SUB", [made.add("MUL", [mean, scale], groups)], groups, weights=1)
    x = made.add("MUL", [x, made.add("RESHAPE", [scale], groups)], shape)
    x = made.add("ADD", [x, made.add("RESHAPE", [shift], groups)], shape)
    weight = operation.arguments["weight"]
    for operator in ("MUL", "ADD") if isinstance(weight, Value) else ():
        x = made.add(operator, [x], shape, weights=prod(weight.shape), width=4)
    return made.add("QUANTIZE", [made.add("RESHAPE", [x], shape)], operation.outputs[0].shape)


def _mean(made: Builder, tensor: int, shape: Sequence[int]) -> int:
    return made.add("MEAN", [tensor], shape, scratch=(16, 8))
