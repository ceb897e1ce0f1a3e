"""Networks for other programs: weights as safetensors, or the whole network in one of FORMATS.

A whole network takes images as float32 (N, C, H, W) with values from 0 to 1, RGB unless they are grey, and does the
normalisation itself; in int8 it takes uint8 (N, H, W, C). N is free, but 1 for LiteRT and ExecuTorch. It gives logits
(N, K). Its metadata says so, beside the metadata of the training.
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
from framework.data.image_data import Images
from framework.errors import DeviceError
from framework.export.executorch_format import read_executorch, write_executorch, write_int8_executorch
from framework.export.litert import read_litert, write_int8_litert, write_litert
from framework.export.onnx_format import read_onnx, write_int8_onnx, write_onnx
from framework.export.traced import file_metadata, quiet, trace
from framework.run.atomic import write_bytes


@dataclass(frozen=True)
class Format:
    """How a network becomes the content of a file, and that a function from images to logits again.

    `write_int8` makes one of int8 weights and activations, from calibration images; there it takes uint8 (N, H, W, C).
    `suffix` is how the name of such a file ends; `needs` are the modules that this takes beside torch, and `extra` the
    one to install for them; `runtime` is the program that runs it, where that is not PyTorch.
    """

    suffix: str
    write: Callable[[nn.Module, ModelMetadata], bytes]
    read: Callable[[bytes], Callable[[Tensor], Tensor]]
    write_int8: Callable[[nn.Module, ModelMetadata, Images], bytes] | None = None
    needs: Sequence[str] = ()
    extra: str = ""
    images: str = "N"
    runtime: str = ""


def write_weights(path: Path, network: nn.Module, metadata: ModelMetadata) -> None:
    """Writes the state dict of a network as safetensors, with every field of its metadata as JSON in the file's."""
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(weights, metadata.as_text()))


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
    with quiet():  # torch 2.11 warns of a buffer of its own
        return cast(Callable[[Tensor], Tensor], torch.export.load(io.BytesIO(content)).module())


FORMATS = {
    "onnx": Format(
        ".onnx",
        write_onnx,
        read_onnx,
        write_int8_onnx,
        needs=("onnx", "onnxscript", "onnxruntime"),
        extra="export",
        runtime="ONNX Runtime",
    ),
    "torch": Format(".pt2", write_torch, read_torch),
    "litert": Format(
        ".tflite",
        write_litert,
        read_litert,
        write_int8_litert,
        needs=("litert_torch", "ai_edge_litert", "ai_edge_quantizer", "flatbuffers"),
        extra="litert",
        images="1",
        runtime="LiteRT",
    ),
    "executorch": Format(
        ".pte",
        write_executorch,
        read_executorch,
        write_int8_executorch,
        needs=("executorch", "torchao"),
        extra="executorch",
        images="1",
        runtime="ExecuTorch",
    ),
}
"""By the name that the command line gives them."""


def require_installed(chosen: Format) -> None:
    """Raises DeviceError, saying what to install, if a module that a format needs is not there."""
    if missing := [name for name in chosen.needs if importlib.util.find_spec(name) is None]:
        raise DeviceError(
            f"not installed: {', '.join(missing)}. Install the extra: pip install 'emberfield[{chosen.extra}]'"
        )
