"""A network as its layers: the recorded graph together with where the image lies in every value."""

from dataclasses import dataclass

from torch import nn

from framework.inspection.graph import Graph, Operation, Value, record
from framework.inspection.layout import Edge, Factor, Layout, UntrackableError, axes, plain
from framework.inspection.operators import follow

_PLUMBING = frozenset(
    {
        *("view", "_unsafe_view", "reshape", "permute", "transpose", "t", "unsqueeze", "squeeze", "expand"),
        *("clone", "detach", "alias", "_to_copy", "slice", "split", "split_with_sizes", "chunk", "select"),
        *("unbind", "lift_fresh"),
    }
)


@dataclass(frozen=True)
class Layer:
    """What one row of a table stands for: the call of a module, or a functional call in a larger module's forward.

    `value` is the last output that depends on the image.
    """

    name: str
    operations: tuple[Operation, ...]
    value: Value


@dataclass(frozen=True)
class Network:
    """A model's graph with the layout of every value that depends on the image and the edges that it was made by.

    `untracked` is the reason why the positions could not be followed, in which case `layouts` and `edges` end early.
    """

    model: nn.Module
    input_shape: tuple[int, int, int]
    graph: Graph
    layers: tuple[Layer, ...]
    layouts: dict[int, Layout]
    edges: dict[int, tuple[Edge, ...]]
    untracked: str | None


def follow_network(model: nn.Module, input_shape: tuple[int, int, int]) -> Network:
    """Records `model` on one image (C, H, W) and follows rows and columns through it; errors as in `graph.record`."""
    graph = record(model, input_shape)
    channels, height, width = input_shape
    image = graph.image.index
    layouts: dict[int, Layout] = {image: ((), plain(channels), (Factor(height, 0),), (Factor(width, 1),))}
    edges: dict[int, tuple[Edge, ...]] = {image: ()}
    written = any(value.aliased for value in graph.outputs)
    untracked = "the output: it was written through a view" if written else None
    for operation in graph.operations:
        if not any(value.from_input for value in operation.outputs):
            continue
        try:
            results = follow(operation, layouts)
        except UntrackableError as reason:
            untracked = f"{operation.layer or 'the model itself'}: {reason}"
            break
        for value, (layout, read) in zip(operation.outputs, results, strict=False):
            layouts[value.index], edges[value.index] = layout, tuple(read)
    return Network(model, input_shape, graph, group_layers(graph), layouts, edges, untracked)


def last_feature_maps(network: Network, axis: int) -> set[int]:
    """The values from which the output is reached by global operations alone along an axis, or that are the output.

    Empty where the output does not depend on the image.
    """
    reached = [value.index for value in network.graph.outputs if value.index in network.edges]
    for n in reached:  # which grows meanwhile
        if axis not in axes(network.layouts[n]):
            reached += [edge.source for edge in network.edges[n] if edge.source not in reached]
    return {n for n in reached if axis in axes(network.layouts[n])}


def group_layers(graph: Graph) -> tuple[Layer, ...]:
    """The layers in the order in which they run.

    The operations of one call of a module without children are one layer; elsewhere each operation is one, but for
    those that only lay out memory.
    """
    groups: list[list[Operation]] = []
    for operation in graph.operations:
        if not operation.from_input or not any(value.from_input for value in operation.outputs):
            continue
        if operation.leaf and groups and groups[-1][-1].call == operation.call:
            groups[-1].append(operation)
        elif operation.leaf or operation.target not in _PLUMBING:
            groups.append([operation])
    return tuple(Layer(_name(group), tuple(group), _last(group)) for group in groups)


def _name(group: list[Operation]) -> str:
    last = group[-1]
    return last.layer if last.leaf and last.layer else f"{last.layer}:{last.target}".lstrip(":")


def _last(group: list[Operation]) -> Value:
    return next(value for operation in reversed(group) for value in operation.outputs if value.from_input)
