"""Ranges and kernels that int8 has scales for which XNNPACK takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

TOO_LARGE = 256
"""A step of a product, in steps of the output, that XNNPACK refuses (its create functions for qs8); it may end the
process as it does."""


def widened(ranges: Mapping[str, Any]) -> dict[str, Any]:
    """Ranges of activations, by tensor: of those that were always 0 up to 1, as no step can be 0."""
    dead = {name: each for name, each in ranges.items() if not (np.any(each["min"]) or np.any(each["max"]))}
    return {**ranges, **{name: each | {"max": np.ones_like(each["max"])} for name, each in dead.items()}}


def limited(content: bytes, ranges: Mapping[str, Any]) -> bytes:
    """A .tflite file in float32 without weights so large that a step of a product would be TOO_LARGE, by channel.

    They become the largest for which the step is one of the output, so that the bias keeps its precision. Such a
    channel has an input that is 0 for every image, where its weights do not matter: batch normalisation divides it by
    almost nothing, as in a trained MobileNetV2. For an image that changes it, the output was at an end, and still is
    but where weights cancel.
    """
    import flatbuffers
    from ai_edge_litert.schema_py_generated import BufferT, ModelT

    model, changed = ModelT.InitFromPackedBuf(content), False
    for graph in model.subgraphs:
        for operator in _products(model, graph):
            image, kernel, given = (graph.tensors[n] for n in (*operator.inputs[:2], operator.outputs[0]))
            taken, made, stored = _step(ranges, image), _step(ranges, given), model.buffers[kernel.buffer].data
            if taken is None or made is None or stored is None:
                continue
            most = 127 * made / taken
            weights = np.frombuffer(bytes(stored), np.float32).reshape(kernel.shape)
            beyond = np.abs(weights).max(_other_axes(model, operator, weights.ndim), keepdims=True) >= TOO_LARGE * most
            if beyond.any():
                model.buffers[kernel.buffer], changed = BufferT(), True
                clipped = np.where(beyond, np.clip(weights, -most, most), weights).astype(np.float32)
                model.buffers[kernel.buffer].data = np.frombuffer(clipped.tobytes(), np.uint8)
    if not changed:
        return content
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _code(model: Any, operator: Any) -> int:
    code: int = model.operatorCodes[operator.opcodeIndex].builtinCode
    return code


def _products(model: Any, graph: Any) -> list[Any]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    products = (BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D, BuiltinOperator.FULLY_CONNECTED)
    return [operator for operator in graph.operators if _code(model, operator) in products]


def _other_axes(model: Any, operator: Any, rank: int) -> tuple[int, ...]:
    """The axes of a kernel but that of its output channels: the last of a depthwise one, else the first."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    depthwise = _code(model, operator) == BuiltinOperator.DEPTHWISE_CONV_2D
    return tuple(range(rank - 1)) if depthwise else tuple(range(1, rank))


def _step(ranges: Mapping[str, Any], tensor: Any) -> float | None:
    """The step of an activation in int8; None of one that is not calibrated."""
    found = ranges.get(tensor.name.decode())
    if found is None:
        return None
    return float(max(found["max"].max(), 0) - min(found["min"].min(), 0)) / 255
