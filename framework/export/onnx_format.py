"""Networks for ONNX: an .onnx file, written by torch.onnx, and read by ONNX Runtime."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from framework.checkpoint.metadata import ModelMetadata
from framework.data.image_data import Images
from framework.export.onnx_depthwise import in_float, pad_channels
from framework.export.traced import FREE, IMAGES, LOGITS, cannot, file_metadata, quiet, trace


def write_onnx(network: nn.Module, metadata: ModelMetadata) -> bytes:
    """An ONNX file of a network in evaluation mode. Raises EmberfieldError for one that ONNX cannot express."""
    return _converted(trace(network, metadata), file_metadata(metadata))


def write_int8_onnx(network: nn.Module, metadata: ModelMetadata, calibration: Images) -> bytes:
    """The same in int8, by ONNX Runtime's static quantisation, for uint8 images (N, H, W, C).

    Weights are scaled per channel, to signed numbers of 7 bits; activations, unsigned, by their range on the
    `calibration` images (N, H, W, C). What `in_float` names stays in float32. On an x86 processor without VNNI, ONNX
    Runtime adds two products in 16 bits, which 8 bits would saturate (MlasGemmU8S8KernelAvx2; microsoft/onnxruntime
    issue 14642); unsigned weights would not, but have no code for VNNI.
    """
    content = _converted(trace(network, metadata, of_bytes=True), file_metadata(metadata, of_bytes=True))
    with quiet(), tempfile.TemporaryDirectory() as folder:
        from onnxruntime.quantization import QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        inputs = ({IMAGES: image[None]} for image in calibration)
        reader = SimpleNamespace(get_next=functools.partial(next, inputs, None))
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        source.write_bytes(content)
        try:
            quant_pre_process(source, source, skip_symbolic_shape=True)  # or a kernel made of another stays in float
            types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "reduce_range": True}
            quantize_static(source, target, reader, per_channel=True, nodes_to_exclude=in_float(source), **types)
            return target.read_bytes()
        except Exception as error:  # a network of someone else's can hold anything
            raise cannot("quantised for ONNX", error) from error


def read_onnx(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network of an ONNX file, run by ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # else it takes every core, whatever the user set
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([LOGITS], {IMAGES: images.numpy()})[0])


def _converted(traced: ExportedProgram, described: dict[str, str]) -> bytes:
    pad_channels(traced)
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
    program.model.graph.metadata_props.clear()  # torch.export's signature: kilobytes that no runtime reads
    program.model.metadata_props.update(described)
    return cast(bytes, program.model_proto.SerializeToString())
