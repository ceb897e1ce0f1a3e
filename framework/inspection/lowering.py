"""A network as LiteRT runs it in int8: the rule for each operator of ATen, as litert-torch translates it.

Batch normalisation and ReLU go into the operator before, SiLU and layer normalisation become several operators, feature
maps lie channels last, and kernels that are made of others are constants. That the files and tflite-micro's interpreter
agree with it is tested for every registered network (tests/framework/export/test_device_budget.py).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from math import prod

from framework.inspection.graph import Graph, Operation, Value
from framework.inspection.kernel_parts import parts_of, sum_of_parts
from framework.inspection.lowered_activations import HIDDEN_THRESHOLD, WRITTEN_OUT
from framework.inspection.lowered_norms import group_norm, layer_norm
from framework.inspection.program import Builder, Program
from framework.inspection.reading import averages_all, per_axis, reduced_dims

PRODUCTS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
"""The operators that a batch normalisation can go into."""

_NAMED = ("add", "sub", "mul", "div", "tanh", "gelu", "leaky_relu", "exp", "rsqrt", "sqrt", "abs")
_FUSING = PRODUCTS | {"ADD", "SUB", "MUL", "MAX_POOL_2D", "AVERAGE_POOL_2D"}


def lower(graph: Graph, *, divided: bool = True) -> Program:
    """The program of a recorded network: uint8 pixels are normalised in float32 at first, and the logits float32.

    Large depthwise kernels are `divided`, as framework/export/depthwise.py does it, or whole, as in a file for ONNX.
    """
    live = graph.live()
    normalized = {each.inputs[0].index for each in live if each.target == "native_batch_norm"}
    dividable = {each.outputs[0].index for each in live if each.target == "convolution" and divided} - normalized
    readers = Counter(value.index for operation in live for value in operation.inputs)
    made = Builder(readers + Counter(value.index for value in graph.outputs), frozenset(dividable))
    pixels, shape = made.tensor(graph.image.shape), graph.image.shape
    for operator, width in (("DEQUANTIZE", 4), ("SUB", 4), ("MUL", 4), ("QUANTIZE", 1)):
        pixels = made.add(operator, [pixels], (*shape, width))
    made.at[graph.image.index] = pixels
    unknown = next((operation for operation in live if not _has_rule(operation)), None)
    for operation in live[: live.index(unknown) if unknown else None]:
        made.layer = operation.layer
        _RULES[operation.target](made, operation)
    last = [value for value in graph.outputs if value.index in made.at]
    outputs = frozenset(made.add("DEQUANTIZE", [made.at[value.index]], (*value.shape, 4)) for value in last)
    return Program(tuple(made.steps), tuple(made.sizes), outputs, unknown)


def _has_rule(operation: Operation) -> bool:
    """An adaptive maximum has one only if its windows are of one size, softplus only if it is written out."""
    if operation.target == "softplus":
        return bool(operation.arguments.get("threshold", 20) >= HIDDEN_THRESHOLD)
    if operation.target == "adaptive_max_pool2d":
        sizes = zip(operation.inputs[0].shape[-2:], operation.outputs[0].shape[-2:], strict=True)
        return not any(size % positions for size, positions in sizes)
    return operation.target in _RULES


def _moving(made: Builder, operation: Operation) -> tuple[Value, ...]:
    """The inputs that depend on the image."""
    return tuple(value for value in operation.inputs if value.index in made.at)


def _becomes(made: Builder, operation: Operation, tensor: int) -> None:
    made.at[operation.outputs[0].index] = tensor


def same(made: Builder, operation: Operation) -> None:
    """Nothing to run: the tensor is there already."""
    _becomes(made, operation, made.at[_moving(made, operation)[0].index])


def one_step(operator: str, made: Builder, operation: Operation) -> None:
    """One step of all that moves; a constant beside it has a number for each of its own."""
    moving = _moving(made, operation)
    constants = sum(prod(value.shape) for value in operation.inputs if value not in moving)
    reads = [made.at[value.index] for value in moving]
    _becomes(made, operation, made.add(operator, reads, operation.outputs[0].shape, weights=constants))


def in_sequence(operators: Sequence[str], made: Builder, operation: Operation) -> None:
    """Several steps, each of what the one before made; a MUL reads the input too."""
    source = tensor = made.at[_moving(made, operation)[0].index]
    for operator in operators:
        reads = [source, tensor] if operator == "MUL" and tensor != source else [tensor]
        tensor = made.add(operator, reads, operation.outputs[0].shape)
    _becomes(made, operation, tensor)


def activation(operator: str, made: Builder, operation: Operation) -> None:
    """An activation that goes into the step before where nothing else reads that."""
    if made.maker(operation.inputs[0]) in _FUSING:
        same(made, operation)
    else:
        one_step(operator, made, operation)


def batch_norm(made: Builder, operation: Operation) -> None:
    """Into the kernel before, or else by the mean, the deviation, the weight and the bias of each channel."""
    image = operation.inputs[0]
    if operation.arguments["training"]:  # an instance normalisation
        group_norm(made, operation)
        return
    if made.maker(image) in PRODUCTS:
        same(made, operation)
        return
    tensor = made.at[image.index]
    for operator in ("SUB", "MUL", "MUL", "ADD")[: 4 if isinstance(operation.arguments["weight"], Value) else 2]:
        tensor = made.add(operator, [tensor], image.shape, weights=image.shape[1])
    _becomes(made, operation, tensor)


def _mean(made: Builder, tensor: int, shape: Sequence[int], rank: int = 4, axes: int = 2) -> int:
    """An average, with its scratch buffers: sums, position and axes (tflite-micro's kernels/reduce_common.cc)."""
    return made.add("MEAN", [tensor], shape, scratch=(4 * prod(shape), 4 * rank, 4 * axes))


def mean(made: Builder, operation: Operation) -> None:
    """An average over dimensions, also by adaptive pooling to one position."""
    image, shape = operation.inputs[0], operation.outputs[0].shape
    axes = len(reduced_dims(operation, len(image.shape))) if operation.target in ("mean", "sum") else 2
    _becomes(made, operation, _mean(made, made.at[image.index], shape, len(image.shape), axes))


def pooling(operator: str, made: Builder, operation: Operation) -> None:
    """A window over the map, after a padding of its own where there is one."""
    if averages_all(operation) or (operation.outputs[0].shape[-2:] == (1, 1) and operator == "AVERAGE_POOL_2D"):
        mean(made, operation)
        return
    kernel = per_axis(operation, "kernel_size") if "kernel_size" in operation.arguments else (1, 1)
    tensor = _padded(made, operation, kernel)
    _becomes(made, operation, made.add(operator, [tensor], operation.outputs[0].shape))


def adaptive_maximum(made: Builder, operation: Operation) -> None:
    """A window of one size for all; of one position it is nothing to run (framework/export/pooling.py)."""
    if operation.inputs[0].shape == operation.outputs[0].shape:
        same(made, operation)
    else:
        pooling("MAX_POOL_2D", made, operation)


def convolution(made: Builder, operation: Operation) -> None:
    """A convolution, depthwise where each channel has a group, after a padding of its own where it needs one."""
    image, weight = operation.inputs[:2]
    transposed, output = operation.arguments["transposed"], operation.outputs[0]
    depthwise = operation.arguments["groups"] == image.shape[1] > 1
    name = "TRANSPOSE_CONV" if transposed else "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    if depthwise and output.index in made.dividable and (parts := parts_of(operation)):
        _becomes(made, operation, sum_of_parts(made, operation, parts))
        return
    tensor = made.at[image.index] if transposed else _padded(made, operation, weight.shape[2:])
    _becomes(made, operation, made.product(name, tensor, weight, output.shape, output.shape[1]))


def _padded(made: Builder, operation: Operation, kernel: Sequence[int]) -> int:
    """The input, padded in a step of its own where TensorFlow's 'SAME' is another: it puts the odd pixel last."""
    image = operation.inputs[0]
    names = (("stride", kernel), ("padding", 0), ("dilation", 1))
    settings = zip(*(per_axis(operation, name, len(kernel), default) for name, default in names), strict=True)
    shape, implied = list(image.shape), True
    for axis, (extent, (stride, padding, dilation)) in enumerate(zip(kernel, settings, strict=True), -len(kernel)):
        overhang = (-(-shape[axis] // stride) - 1) * stride + (extent - 1) * dilation + 1 - shape[axis]
        implied &= max(overhang, 0) == 2 * padding
        shape[axis] += 2 * padding
    if implied or tuple(shape) == image.shape:
        return made.at[image.index]
    return made.add("PAD", [made.at[image.index]], shape)


def matrix_product(made: Builder, operation: Operation) -> None:
    """A linear layer where the right side is constant, else a product of two maps."""
    left, right = [value for value in operation.inputs if len(value.shape) >= 2][-2:]
    if right.index in made.at:
        one_step("BATCH_MATMUL", made, operation)
    else:
        shape = operation.outputs[0].shape
        _becomes(made, operation, made.product("FULLY_CONNECTED", made.at[left.index], right, shape, shape[-1]))


def permute(made: Builder, operation: Operation) -> None:
    """Nothing where only the channels move, as the maps lie channels last; sides of length 1 do not count."""
    rank = len(operation.inputs[0].shape)
    order = list(range(rank))
    if operation.target == "permute":
        order = [int(n) % rank for n in operation.arguments["dims"]]
    else:
        one, other = (operation.arguments.get(name, n) for n, name in enumerate(("dim0", "dim1")))
        order[one], order[other] = order[other], order[one]
    kept = [n for n in order if operation.inputs[0].shape[n] > 1]
    turns = [sorted(kept)[n:] + sorted(kept)[:n] for n in range(len(kept))]
    if kept in turns or not kept:
        same(made, operation)
    else:
        one_step("TRANSPOSE", made, operation)


def parts(made: Builder, operation: Operation) -> None:
    """A slice for each part."""
    source = made.at[_moving(made, operation)[0].index]
    for output in operation.outputs:
        made.at[output.index] = made.add("SLICE", [source], output.shape)


def joined(made: Builder, operation: Operation) -> None:
    """A concatenation, once each part has the scale of the whole."""
    reads = [made.add("QUANTIZE", [made.at[each.index]], each.shape) for each in _moving(made, operation)]
    _becomes(made, operation, made.add("CONCATENATION", reads, operation.outputs[0].shape))


def _rules() -> dict[str, Callable[[Builder, Operation], None]]:
    step, fused, several = (partial(partial, rule) for rule in (one_step, activation, in_sequence))
    table: dict[Callable[[Builder, Operation], None], str] = {
        same: "alias detach clone _to_copy lift_fresh contiguous native_dropout",
        convolution: "convolution",
        batch_norm: "native_batch_norm",
        layer_norm: "native_layer_norm",
        group_norm: "native_group_norm",
        mean: "mean",
        partial(pooling, "MAX_POOL_2D"): "max_pool2d_with_indices max_pool2d",
        partial(pooling, "AVERAGE_POOL_2D"): "avg_pool2d _adaptive_avg_pool2d adaptive_avg_pool2d",
        adaptive_maximum: "adaptive_max_pool2d",
        matrix_product: "mm addmm bmm baddbmm",
        permute: "permute transpose t",
        parts: "slice split split_with_sizes chunk unbind select as_strided",
        joined: "cat stack",
        fused("RELU"): "relu",
        fused("RELU6"): "hardtanh clamp",
        several(("LOGISTIC", "MUL")): "silu",
        several(("ADD", "RELU6", "MUL")): "hardsigmoid",
        **WRITTEN_OUT,
        step("RESHAPE"): "view _unsafe_view reshape unsqueeze squeeze expand",
        step("PAD"): "constant_pad_nd",
        step("MIRROR_PAD"): "reflection_pad2d",
        step("REDUCE_MAX"): "amax max",
        step("SUM"): "sum",
        **{step(name.upper()): name for name in _NAMED},
        step("LOGISTIC"): "sigmoid",
        step("HARD_SWISH"): "hardswish",
        step("PRELU"): "_prelu_kernel",
        step("SOFTMAX"): "_softmax _safe_softmax",
        step("RESIZE_BILINEAR"): "upsample_bilinear2d",
        step("RESIZE_NEAREST_NEIGHBOR"): "upsample_nearest2d",
        step("DEPTH_TO_SPACE"): "pixel_shuffle",
    }
    return {name: rule for rule, names in table.items() for name in names.split()}


_RULES = _rules()
