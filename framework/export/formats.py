"""Networks for other programs: weights as safetensors, or the whole network as ONNX or torch.export's .pt2.

A whole network takes images as float32 (N, C, H, W) with values from 0 to 1, RGB unless they are grey, and does the
normalisation itself; N is free. It gives logits (N, K). Its metadata says so, beside the metadata of the training.
"""

import copy
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
from torch.export import Dim, ExportedProgram

from framework.checkpoint.metadata import ModelMetadata
from framework.data.statistics import Statistics
from framework.errors import DeviceError, EmberfieldError
from framework.run.atomic import write_bytes

IMAGES, LOGITS = "images", "logits"
"""The names of an exported network's input and output."""

FREE = ({0: Dim("batch")},)
"""The axes of the input whose size is free."""


class TakesPixels(nn.Module):
    """A copy of a network, on the CPU and in evaluation mode, with its normalisation in front."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.register_buffer("mean", torch.tensor(statistics.mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(statistics.std).reshape(-1, 1, 1))
        # torch.export.save warns of tensors whose memory is in another order.
        self.cpu().to(memory_format=torch.contiguous_format).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Float images (N, C, H, W) from 0 to 1 to logits (N, K)."""
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


@dataclass(frozen=True)
class Format:
    """How a network becomes the content of a file, and that a function from images to logits again.

    `suffix` is how the name of such a file ends; `needs` are the modules that this takes beside torch.
    """

    suffix: str
    write: Callable[[nn.Module, ModelMetadata], bytes]
    read: Callable[[bytes], Callable[[Tensor], Tensor]]
    needs: Sequence[str] = ()


def write_weights(path: Path, network: nn.Module, metadata: ModelMetadata) -> None:
    """Writes the state dict of a network as safetensors, with every field of its metadata as JSON in the file's."""
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(weights, metadata.as_text()))


def write_onnx(network: nn.Module, metadata: ModelMetadata) -> bytes:
    """An ONNX file of a network in evaluation mode. Raises EmberfieldError for one that ONNX cannot express."""
    traced = _trace(network, metadata)
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
        raise _cannot("expressed in ONNX", error.__cause__ or error) from error
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # paths of this machine, in stack traces
    program.model.metadata_props.update(_file_metadata(metadata))
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
    extra = {"metadata.json": json.dumps(_file_metadata(metadata))}
    torch.export.save(_trace(network, metadata), content, extra_files=extra)
    return content.getvalue()


def read_torch(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network of a .pt2 file, on the CPU."""
    return cast(Callable[[Tensor], Tensor], torch.export.load(io.BytesIO(content)).module())


FORMATS = {
    "onnx": Format(".onnx", write_onnx, read_onnx, needs=("onnx", "onnxscript", "onnxruntime")),
    "torch": Format(".pt2", write_torch, read_torch),
}
"""By the name that the command line gives them."""


def require_installed(modules: Sequence[str]) -> None:
    """Raises DeviceError, saying what to install, if one of these modules is not there."""
    if missing := [name for name in modules if importlib.util.find_spec(name) is None]:
        raise DeviceError(f"not installed: {', '.join(missing)}. Install the extra: pip install 'emberfield[export]'")


def _trace(network: nn.Module, metadata: ModelMetadata) -> ExportedProgram:
    example = torch.zeros(2, *metadata.input_shape)  # of 1, the batch would become a constant
    try:
        program = torch.export.export(TakesPixels(network, metadata.statistics), (example,), dynamic_shapes=FREE)
    except Exception as error:  # a network of someone else's can hold anything
        raise _cannot("traced by torch.export", error) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it holds paths of this machine
    return program


def _file_metadata(metadata: ModelMetadata) -> dict[str, str]:
    """What a user of the file has to know, each value as JSON."""
    size = ", ".join(map(str, metadata.input_shape))
    channels = "RGB" if metadata.in_channels == 3 else f"{metadata.in_channels} channels"
    return metadata.as_text() | {
        "input": json.dumps(f"{IMAGES}: float32 (N, {size}), {channels}, from 0 to 1; it normalises them"),
        "output": json.dumps(f"{LOGITS}: float32 (N, {len(metadata.class_names)}), in the order of class_names"),
    }


def _cannot(how: str, error: BaseException) -> EmberfieldError:
    reason = (str(error).strip().splitlines() or [""])[0]
    return EmberfieldError(f"the network cannot be {how}: {type(error).__name__}: {reason}")
