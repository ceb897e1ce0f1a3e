"""What the operators on tensors of any kind read: elementwise, reductions, products, and other layouts of memory."""

from framework.inspection.graph import Operation
from framework.inspection.layout import Edge, Layout, UntrackableError, broadcast, contract, plain, regroup, tagged
from framework.inspection.reading import Layouts, Result, everywhere, known, moved, one_to_one, reduced_dims, subject
from framework.inspection.taps import window


def without_axes(operation: Operation, layouts: Layouts) -> Result:
    """Once no axis of the image is left, no operator can bring one back."""
    edges = [Edge(value.index, {}) for value in known(operation, layouts)]
    return [(tuple(map(plain, output.shape)), edges) for output in operation.outputs]


def elementwise(operation: Operation, layouts: Layouts) -> Result:
    """Each position reads the same position, or the only one, of each input."""
    after = broadcast([layouts[value.index] for value in known(operation, layouts)])
    shape = operation.outputs[0].shape
    after = ((),) * (len(shape) - len(after)) + after
    after = tuple(d if tagged(d) else plain(n) for d, n in zip(after, shape, strict=True))
    return everywhere(operation, layouts, after)


def normalisation(operation: Operation, layouts: Layouts) -> Result:
    """Position for position: the statistics over a feature map do not count towards the field."""
    return everywhere(operation, layouts, subject(operation, layouts)[1])


def reduction(operation: Operation, layouts: Layouts) -> Result:
    """Sums, means and the like: the dimensions that they run over are gone."""
    _, layout = subject(operation, layouts)
    gone = reduced_dims(operation, len(layout))
    keep = bool(operation.arguments.get("keepdim"))
    after = tuple(() if n in gone else d for n, d in enumerate(layout) if keep or n not in gone)
    return everywhere(operation, layouts, after) * len(operation.outputs)


def mixed_along(operation: Operation, layouts: Layouts) -> Result:
    """Operators that keep the shape and mix the positions of one dimension, such as softmax."""
    return moved(operation, layouts, dict.fromkeys(reduced_dims(operation, len(operation.outputs[0].shape))))


def matrix_product(operation: Operation, layouts: Layouts) -> Result:
    """The last dimension of the left and the last but one of the right are gone."""
    left, right = [value for value in operation.inputs if len(value.shape) >= 2][-2:]
    sides = [layouts.get(value.index, tuple(map(plain, value.shape))) for value in (left, right)]
    return everywhere(operation, layouts, contract(*sides))


def attention(operation: Operation, layouts: Layouts) -> Result:
    """Each position of the query reads itself and, through keys and values, the whole feature map."""
    query, layout = subject(operation, layouts)
    after = (*layout[:-1], plain(operation.outputs[0].shape[-1]))
    others = [Edge(value.index, {}) for value in known(operation, layouts) if value != query]
    first: tuple[Layout, list[Edge]] = (after, [one_to_one(query, layout, after), *others])
    return [first, *((tuple(map(plain, output.shape)), [first[1][0]]) for output in operation.outputs[1:])]


def view(operation: Operation, layouts: Layouts) -> Result:
    """A reshape."""
    _, layout = subject(operation, layouts)
    return everywhere(operation, layouts, regroup(layout, operation.outputs[0].shape))


def permute(operation: Operation, layouts: Layouts) -> Result:
    """Dimensions in another order."""
    _, layout = subject(operation, layouts)
    order = list(range(len(layout)))
    if operation.target == "permute":
        order = [int(n) % len(layout) for n in operation.arguments["dims"]]
    else:
        one, other = (operation.arguments.get(name, n) for n, name in enumerate(("dim0", "dim1")))
        order[one], order[other] = order[other], order[one]
    return everywhere(operation, layouts, tuple(layout[n] for n in order))


def part(operation: Operation, layouts: Layouts) -> Result:
    """Slices and splits: a part of the rows is a window of kernel 1, a part of the channels is all of them."""
    value, layout = subject(operation, layouts)
    at = int(operation.arguments.get("dim", 0)) % len(layout)
    step = int(operation.arguments.get("step") or 1)
    start = int(operation.arguments.get("start") or 0)
    start = min(start + value.shape[at] if start < 0 else start, value.shape[at])
    result: Result = []
    for output in operation.outputs:
        result += moved(operation, layouts, {at: window(stride=step, padding=-start)}, output)
        start += output.shape[at]
    return result


def select(operation: Operation, layouts: Layouts) -> Result:
    """One channel, or one of another dimension that is no axis of the image."""
    value, layout = subject(operation, layouts)
    at = int(operation.arguments.get("dim", 0)) % len(layout)
    if tagged(layout[at]):
        raise UntrackableError("a single position picked out of a feature map")
    rest = (*layout[:at], *layout[at + 1 :])
    return [(rest, [one_to_one(value, layout, rest)])] * len(operation.outputs)


def cat(operation: Operation, layouts: Layouts) -> Result:
    """Joined or stacked along a dimension that is no axis of the image."""
    rank = len(operation.outputs[0].shape)
    at = int(operation.arguments["dim"]) % rank
    joined = [list(layouts[value.index]) for value in known(operation, layouts)]
    for layout in joined:
        if operation.target == "stack":
            layout.insert(at, ())
        elif tagged(layout[at]):
            raise UntrackableError("feature maps joined side by side")
        layout[at] = ()
    after = list(broadcast([tuple(layout) for layout in joined]))
    after[at] = plain(operation.outputs[0].shape[at])
    return everywhere(operation, layouts, tuple(after))
