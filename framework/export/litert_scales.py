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
    from ai_edge_litert.schema_py_generated import BufferT, BuiltinOperator, ModelT

    channels = {BuiltinOperator.CONV_2D: 0, BuiltinOperator.DEPTHWISE_CONV_2D: 3, BuiltinOperator.FULLY_CONNECTED: 0}
    model, changed = ModelT.InitFromPackedBuf(content), False
    for graph in model.subgraphs:
        for operator in graph.operators:
            axis = channels.get(model.operatorCodes[operator.opcodeIndex].builtinCode)
            if axis is None:
                continue
            image, kernel, given = (graph.tensors[n] for n in (*operator.inputs[:2], operator.outputs[0]))
            taken, made, stored = _step(ranges, image), _step(ranges, given), model.buffers[kernel.buffer].data
            if taken is None or made is None or stored is None:
                continue
            most = 127 * made / taken
            weights = np.frombuffer(bytes(stored), np.float32).reshape(kernel.shape)
            others = tuple(n for n in range(weights.ndim) if n != axis)
            beyond = np.abs(weights).max(others, keepdims=True) >= TOO_LARGE * most
            if beyond.any():
                model.buffers[kernel.buffer], changed = BufferT(), True
                clipped = np.where(beyond, np.clip(weights, -most, most), weights).astype(np.float32)
                model.buffers[kernel.buffer].data = np.frombuffer(clipped.tobytes(), np.uint8)
    if not changed:
        return content
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _step(ranges: Mapping[str, Any], tensor: Any) -> float | None:
    """The step of an activation in int8; None of one that is not calibrated."""
    found = ranges.get(tensor.name.decode())
    if found is None:
        return None
    return float(max(found["max"].max(), 0) - min(found["min"].min(), 0)) / 255
