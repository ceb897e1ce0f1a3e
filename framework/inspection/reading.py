"""What an operation reads of its inputs, in the forms that the rules for single operators share."""

from framework.inspection.graph import Operation, Value
from framework.inspection.layout import Edge, Layout, UntrackableError, axes
from framework.inspection.taps import Taps, Window

Layouts = dict[int, Layout]
"""The layout of each value that depends on the image, by its index."""

Result = list[tuple[Layout, list[Edge]]]
"""For each output of an operation its layout and what it reads."""


def pair(value: int | list[int]) -> tuple[int, int]:
    """An argument for height and width, which ATen lets a single number stand for."""
    numbers = [value] if isinstance(value, int) else list(value)
    return (numbers[0], numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def averages_all(operation: Operation) -> bool:
    """Whether an average pooling is global: its window is exactly the map."""
    kernel = pair(operation.arguments.get("kernel_size") or [0])
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


def one_to_one(value: Value, before: Layout, after: Layout, couples: bool = False) -> Edge:
    """Position for position along each axis that survives; an axis of length 1 is read by all.

    Raises UntrackableError where the sizes differ otherwise.
    """
    old, new = axes(before), axes(after)
    taps: dict[int, Taps] = {}
    for axis in old.keys() & new.keys():
        if old[axis] not in (1, new[axis]):
            raise UntrackableError("an elementwise operation on maps of different sizes")
        taps[axis] = Window(stride=0 if old[axis] == 1 else 1)
    return Edge(value.index, taps, couples)


def everywhere(operation: Operation, layouts: Layouts, after: Layout, couples: bool = False) -> Result:
    """One output that reads all inputs position for position, as in `one_to_one`."""
    edges = [one_to_one(value, layouts[value.index], after, couples) for value in known(operation, layouts)]
    return [(after, edges)]
