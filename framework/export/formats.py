"""Networks for other programs: weights as safetensors, or the whole network in one of FORMATS.

A whole network takes images as float32 (N, C, H, W) with values from 0 to 1, RGB unless they are grey, and does the
normalisation itself; N is free, but 1 for LiteRT and ExecuTorch. It gives logits (N, K). Its metadata says so, beside
the metadata of the training.
"""

import importlib.util
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save
from torch import Tensor, nn

from framework.checkpoint.metadata import ModelMetadata
from framework.errors import DeviceError
from framework.export.executorch_format import read_executorch, write_executorch
from framework.export.litert import read_litert, write_litert
from framework.export.traced import FREE, IMAGES, LOGITS, cannot, file_metadata, trace
from framework.run.atomic import write_bytes


@dataclass(frozen=True)
class Format:
    """How a network becomes the content of a file, and that a function from images to logits again.

    `suffix` is how the name of such a file ends; `needs` are the modules that this takes beside torch, and `extra` the
    one to install for them.
    """

    suffix: str
    write: Callable[[nn.Module, ModelMetadata], bytes]
    read: Callable[[bytes], Callable[[Tensor], Tensor]]
    needs: Sequence[str] = ()
    extra: str = ""


def write_weights(path: Path, network: nn.Module, metadata: ModelMetadata) -> None:
    """Writes the state dict of a network as safetensors, with every field of its metadata as JSON in the file's."""
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(weights, metadata.as_text()))


def write_onnx(network: nn.Module, metadata: ModelMetadata) -> bytes:
    """An ONNX file of a network in evaluation mode. Raises EmberfieldError for one that ONNX cannot express."""
    traced = trace(network, metadata)
    try:
        program = torch.onnx.export(
            traced,
            dynamo=True,
            dynamic_shapes=FREE,  # for the name; the axis is free already
            input_names=[IMAGES],
            output_names=[LOGITS],
            verbose=False,
        )
    except Exception as error:  # a network of someone else's can hold anything
        raise cannot("expressed in ONNX", error.__cause__ or error) from error
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # paths of this machine, in stack traces
    program.model.metadata_props.update(file_metadata(metadata))
    return cast(bytes, program.model_proto.SerializeToString())


def read_onnx(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network of an ONNX file, run by ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # else it takes every core, whatever the user set
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([LOGITS], {IMAGES: images.numpy()})[0])


def write_torch(network: nn.Module, metadata: ModelMetadata) -> bytes:
    """A .pt2 file of a network in evaluation mode, with the metadata in its extra file `metadata.json`.

    Raises EmberfieldError for a network that torch.export cannot trace.
    """
    content = io.BytesIO()
    extra = {"metadata.json": json.dumps(file_metadata(metadata))}
    torch.export.save(trace(network, metadata), content, extra_files=extra)
    return content.getvalue()


def read_torch(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network of a .pt2 file, on the CPU."""
    return cast(Callable[[Tensor], Tensor], torch.export.load(io.BytesIO(content)).module())


FORMATS = {
    "onnx": Format(".onnx", write_onnx, read_onnx, needs=("onnx", "onnxscript", "onnxruntime"), extra="export"),
    "torch": Format(".pt2", write_torch, read_torch),
    "litert": Format(
        ".tflite", write_litert, read_litert, needs=("litert_torch", "ai_edge_litert", "flatbuffers"), extra="litert"
    ),
    "executorch": Format(
        ".pte", write_executorch, read_executorch, needs=("executorch", "torchao"), extra="executorch"
    ),
}
"""By the name that the command line gives them."""


def require_installed(chosen: Format) -> None:
    """Raises DeviceError, saying what to install, if a module that a format needs is not there."""
    if missing := [name for name in chosen.needs if importlib.util.find_spec(name) is None]:
        raise DeviceError(
            f"not installed: {', '.join(missing)}. Install the extra: pip install 'emberfield[{chosen.extra}]'"
        )
