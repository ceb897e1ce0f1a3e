"""What a runtime for devices lacks of a network, asked of the runtime itself, which has to be installed."""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from framework.checkpoint.metadata import ModelMetadata
from framework.export.formats import FORMATS, Format, require_installed
from framework.export.traced import export, folded, quiet
from framework.export.xnnpack import for_xnnpack

Missing = Mapping[str, tuple[str, ...]]
"""The layers that use each operator which a runtime lacks; none where the runtime does not say."""


@dataclass(frozen=True)
class Target:
    """A runtime: the operators that it `lacks` of a network which takes such images, and what has to be installed."""

    lacks: Callable[[fx.GraphModule, Tensor], Missing]
    installed: Format


def missing_operators(network: nn.Module, input_shape: tuple[int, int, int], target: str) -> Missing:
    """The operators of a network for images (C, H, W) that a target of TARGETS lacks, with the layers that use them.

    Raises DeviceError where the target's libraries are not installed, and EmberfieldError for a network that cannot be
    traced.
    """
    chosen = TARGETS[target]
    require_installed(chosen.installed)
    module, example = folded(network, _unnormalised(input_shape))
    with quiet():
        return chosen.lacks(module, example)


def _unnormalised(input_shape: tuple[int, int, int]) -> ModelMetadata:
    channels, height, _ = input_shape
    return ModelMetadata(
        arch="",
        arch_options={},
        in_channels=channels,
        image_size=height,
        class_names=[],
        mean=[0.0] * channels,
        std=[1.0] * channels,
        data="",
        data_hash="",
        precision="float32",
        augment_on="cpu",
    )


def _litert(module: nn.Module, example: Tensor) -> Missing:
    """What litert-torch has no lowering for, after the decompositions that it makes; LiteRT runs all that it writes."""
    from litert_torch.backend import lowerings
    from litert_torch.fx_infra import decomp, safe_run_decompositions

    program = safe_run_decompositions(export(module, example), decomp.pre_lower_decomp(), can_skip=False)
    return _with_layers(node for node in _calls(program) if lowerings.lookup(node.target) is None)


def _executorch(module: fx.GraphModule, example: Tensor) -> Missing:
    """What ExecuTorch refuses, or else what XNNPACK's partitioner leaves to operators that run one by one."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    try:
        edge = to_edge_transform_and_lower(export(for_xnnpack(module), example), partitioner=[XnnpackPartitioner()])
    except Exception as error:
        if match := re.search(r"Operator torch\._ops\.(\w+\.\w+)[\w.]* is not in Core ATen", str(error)):
            return {match[1]: ()}
        raise
    return _with_layers(
        node for node in _calls(edge.exported_program()) if "executorch_call_delegate" not in str(node.target)
    )


def _onnxruntime(module: nn.Module, example: Tensor) -> Missing:
    """The first operator that torch.onnx cannot write, or else those that ONNX Runtime has no kernel for on a CPU."""
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_opkernel_def

    try:
        written = torch.onnx.export(export(module, example), dynamo=True, verbose=False)
    except Exception as error:
        if match := re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", _with_causes(error)):
            return {match[1]: ()}
        raise
    assert written is not None
    try:
        onnxruntime.InferenceSession(written.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception:
        kernels = {kernel.op_name for kernel in get_all_opkernel_def() if kernel.provider == "CPUExecutionProvider"}
        if missing := {node.op_type for node in written.model.graph} - kernels:
            return dict.fromkeys(sorted(missing), ())
        raise
    return {}


def _with_causes(error: BaseException | None) -> str:
    return f"{error}\n{_with_causes(error.__cause__)}" if error else ""


def _tflm(module: nn.Module, example: Tensor) -> Missing:
    """What LiteRT lacks, or else the operators of the file that tflite-micro's resolver does not find."""
    if missing := _litert(module, example):
        return missing
    import litert_torch

    content = bytes(litert_torch.convert(module, (example,)).model_content())
    found = (_not_found(each) for each in _each_operator(content))
    return {name: () for name in found if name}


def _each_operator(content: bytes) -> Iterator[bytes]:
    """A file for each kind of operator in a .tflite file, which has the first of it alone."""
    import flatbuffers
    from ai_edge_litert.schema_py_generated import ModelT

    model = ModelT.InitFromPackedBuf(content)
    graph = model.subgraphs[0]
    operators = {operator.opcodeIndex: operator for operator in reversed(graph.operators)}
    model.signatureDefs = None
    for operator in operators.values():
        graph.operators = [operator]
        graph.inputs = [n for n in operator.inputs if n >= 0 and not len(_data(model, n))]
        graph.outputs = operator.outputs
        builder = flatbuffers.Builder(len(content))
        builder.Finish(model.Pack(builder), b"TFL3")
        yield bytes(builder.Output())


def _data(model: Any, tensor: int) -> Any:
    data = model.buffers[model.subgraphs[0].tensors[tensor].buffer].data
    return () if data is None else data


def _not_found(content: bytes) -> str:
    """The operator that tflite-micro says it does not find, which it writes to the file descriptor of stderr."""
    from tflite_micro.python.tflite_micro import runtime

    with stderr_lines() as lines, contextlib.suppress(RuntimeError):
        runtime.Interpreter.from_bytes(content, arena_size=1 << 24)
    match = re.search(r"Didn't find op for builtin opcode '(\w+)'", "".join(lines))
    return match[1] if match else ""


@contextlib.contextmanager
def stderr_lines() -> Iterator[list[str]]:
    """Collects what libraries in C write to stderr, in the list once the block is left."""
    lines: list[str] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file


def _calls(program: ExportedProgram) -> list[torch.fx.Node]:
    return [
        node
        for node in program.graph.nodes
        if node.op == "call_function" and getattr(node.target, "__name__", "") != "getitem"
    ]


def _with_layers(nodes: Iterable[torch.fx.Node]) -> Missing:
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        name = ".".join(re.findall(r"\w+", str(node.target).partition("EdgeOpOverload: ")[2] or str(node.target))[:2])
        inside = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
        layer = (inside[-1] if inside else "").removeprefix("network").removeprefix(".") or "the model itself"
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), layer)))
    return found


_TFLM = Format(".tflite", FORMATS["litert"].write, FORMATS["litert"].read, needs=("tflite_micro",), extra="tflm")

TARGETS = {
    "litert": Target(_litert, FORMATS["litert"]),
    "executorch": Target(_executorch, FORMATS["executorch"]),
    "tflm": Target(_tflm, _TFLM),
    "onnxruntime": Target(_onnxruntime, FORMATS["onnx"]),
}
"""By the name that `ConstraintsConfig.target` gives them."""
