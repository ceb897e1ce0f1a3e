"""What an operation reads of its inputs, in the forms that the rules for single operators share."""

from collections.abc import Mapping
from typing import Any

from framework.inspection.graph import Operation, Value
from framework.inspection.layout import Edge, Factor, Layout, UntrackableError, axes, axis_of, plain
from framework.inspection.taps import Taps, window

Layouts = dict[int, Layout]
"""The layout of each value that depends on the image, by its index."""

Result = list[tuple[Layout, list[Edge]]]
"""For each output of an operation its layout and what it reads."""


def per_axis(operation: Operation, name: str, number: int = 2, default: Any = 0) -> list[int]:
    """An argument with a value for each of `number` axes, which ATen lets a single value stand for."""
    given = operation.arguments.get(name) or default
    values = [given] if isinstance(given, int) else list(given)
    return values * number if len(values) == 1 else values


def reduced_dims(operation: Operation, rank: int) -> set[int]:
    """The dimensions that the argument `dim` names of a tensor; all if it names none."""
    given = operation.arguments.get("dim")
    numbers = range(rank) if given is None or given == [] else [given] if isinstance(given, int) else given
    return {int(number) % rank for number in numbers}


def averages_all(operation: Operation) -> bool:
    """Whether an average pooling is global: its window is exactly the feature map."""
    kernel = tuple(per_axis(operation, "kernel_size"))
    return operation.target == "avg_pool2d" and operation.inputs[0].shape[-2:] == kernel != (1, 1)


def known(operation: Operation, layouts: Layouts) -> list[Value]:
    """The inputs that depend on the image."""
    return [value for value in operation.inputs if value.index in layouts]


def subject(operation: Operation, layouts: Layouts) -> tuple[Value, Layout]:
    """The first argument and its layout. Raises UntrackableError where it does not depend on the image."""
    value = next(iter(operation.arguments.values()))
    if not isinstance(value, Value) or value.index not in layouts:
        raise UntrackableError(f"the operator {operation.target} with the image in an unusual argument")
    return value, layouts[value.index]


def one_to_one(value: Value, before: Layout, after: Layout) -> Edge:
    """Position for position along each axis that survives; an axis of length 1 is read by all.

    Raises UntrackableError where the sizes differ otherwise.
    """
    old, new = axes(before), axes(after)
    taps: dict[int, Taps] = {}
    for axis in old.keys() & new.keys():
        if old[axis] not in (1, new[axis]):
            raise UntrackableError("an elementwise operation on feature maps of different sizes")
        taps[axis] = window(stride=0 if old[axis] == 1 else 1)
    return Edge(value.index, taps)


def moved(
    operation: Operation, layouts: Layouts, read: Mapping[int, Taps | None], output: Value | None = None
) -> Result:
    """The first argument with what is read of it along some dimensions, position for position along all others.

    An axis of the image in a dimension with None is gone. With `output` for that one, without it for all alike.
    """
    value, layout = subject(operation, layouts)
    shape = (output or operation.outputs[0]).shape
    after, taps = list(layout), {}
    for place, made in read.items():
        axis = axis_of(layout[place]) if made else None
        after[place] = plain(shape[place]) if axis is None else (Factor(shape[place], axis),)
        if axis is not None and made:
            taps[axis] = made
    edge = Edge(value.index, {axis: window() for axis in axes(tuple(after))} | taps)
    return [(tuple(after), [edge])] * (1 if output else len(operation.outputs))


def everywhere(operation: Operation, layouts: Layouts, after: Layout) -> Result:
    """One output that reads all inputs position for position, as in `one_to_one`."""
    return [(after, [one_to_one(value, layouts[value.index], after) for value in known(operation, layouts)])]
