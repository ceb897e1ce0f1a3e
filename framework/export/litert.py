"""Networks for LiteRT (formerly TensorFlow Lite): a .tflite file, written by litert-torch."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from framework.checkpoint.metadata import ModelMetadata
from framework.data.image_data import Images
from framework.export.litert_float32 import SCOPE, in_float32
from framework.export.litert_scales import limited, widened
from framework.export.traced import cannot, file_metadata, folded, quiet

METADATA = "emberfield"
"""The name under which a file's metadata is kept."""

IN_FLOAT = (
    ("TakesBytes;[^/]*$", "*"),
    (f"{SCOPE}[^/]*$", "*"),
    (".*", "SQUARED_DIFFERENCE"),
    (".*", "RSQRT"),
    (".*", "OUTPUT"),
)
"""What int8 leaves in float32, by scope and operator: the normalisation of images and of maps, and the logits.

Squared differences and inverse roots are those of a normalisation that is written out.
"""


def write_litert(network: nn.Module, metadata: ModelMetadata) -> bytes:
    """A .tflite file of a network in evaluation mode, for one image at a time (1, C, H, W).

    The metadata is the file's, as JSON under METADATA. Raises EmberfieldError for a network that LiteRT cannot express.
    """
    return _described(_converted(*folded(network, metadata)), file_metadata(metadata, "1"))


def write_int8_litert(network: nn.Module, metadata: ModelMetadata, calibration: Images) -> bytes:
    """The same in int8, by ai-edge-quantizer, for one uint8 image at a time (1, H, W, C).

    Weights are scaled per channel, activations by their range on the `calibration` images (N, H, W, C).
    """
    content = _converted(*folded(network, metadata, of_bytes=True))
    with quiet():
        from ai_edge_litert.interpreter import Interpreter
        from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
        from ai_edge_quantizer.algorithm_manager import AlgorithmName
        from ai_edge_quantizer.utils.qsv_utils import min_max_update  # a moving average would clip much of an image

        try:
            ((signature, named),) = Interpreter(model_content=content).get_signature_list().items()
            manager = recipe_manager.RecipeManager()
            manager.load_quantization_recipe(recipe.static_wi8_ai8())
            for scope, operator in IN_FLOAT:
                manager.add_quantization_config(scope, operator, algorithm_key=AlgorithmName.NO_QUANTIZE)
            ranges = calibrator.Calibrator(content, torch.get_num_threads(), qsv_update_func=min_max_update)
            ranges.calibrate({signature: [{named["inputs"][0]: image[None]} for image in calibration]}, manager)
            found = widened(ranges.get_model_qsvs())
            quantized = quantizer.Quantizer(limited(content, found), manager.get_quantization_recipe())
            content = bytes(quantized.quantize(found).quantized_model)
        except Exception as error:  # a network of someone else's can hold anything
            raise cannot("quantised for LiteRT", error) from error
    return _described(content, file_metadata(metadata, "1", of_bytes=True))


def read_litert(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network of a .tflite file, run by LiteRT on the CPU, image by image.

    Raises EmberfieldError for one that LiteRT refuses, at once or as it runs.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=content, num_threads=torch.get_num_threads())
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise cannot("run by LiteRT", error) from error
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def one(image: Tensor) -> Tensor:
        interpreter.set_tensor(taken, image[None].numpy())
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise cannot("run by LiteRT", error) from error
        return torch.from_numpy(interpreter.get_tensor(given))

    return lambda images: torch.cat([one(image) for image in images])


def read_metadata(content: bytes) -> dict[str, Any]:
    """What `write_litert` says of the network, decoded."""
    from ai_edge_litert.schema_py_generated import ModelT

    model = ModelT.InitFromPackedBuf(content)
    (number,) = (entry.buffer for entry in model.metadata if entry.name == METADATA.encode())
    described = json.loads(bytes(model.buffers[number].data))
    return {name: json.loads(value) for name, value in described.items()}


def _converted(module: fx.GraphModule, example: Tensor) -> bytes:
    in_float32(module)
    with quiet():
        import litert_torch

        try:
            return bytes(litert_torch.convert(module, (example,)).model_content())
        except Exception as error:  # a network of someone else's can hold anything
            raise cannot("expressed in LiteRT", error) from error


def _described(content: bytes, described: dict[str, str]) -> bytes:
    """The file with its metadata, every weight inside the flatbuffer, and names of the input and output alone.

    ai-edge-quantizer puts weights of more than 256 KiB behind the flatbuffer, where tflite-micro does not look, and the
    names of tensors can take a fifth of an int8 file.
    """
    import flatbuffers
    from ai_edge_litert.schema_py_generated import BufferT, MetadataT, ModelT

    model = ModelT.InitFromPackedBuf(content)
    for stored in model.buffers:
        if stored.offset > 1:
            stored.data = np.frombuffer(content, np.uint8, stored.size, stored.offset)
            stored.offset = stored.size = 0
    _read_bytes(model)
    for graph in model.subgraphs:
        inner = set(range(len(graph.tensors))).difference(graph.inputs, graph.outputs)
        for number in inner:
            graph.tensors[number].name = b""
    buffer, entry = BufferT(), MetadataT()
    buffer.data = list(json.dumps(described).encode())
    entry.name, entry.buffer = METADATA, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _read_bytes(model: Any) -> None:
    """Takes uint8 to float32 by DEQUANTIZE with a scale of 1, the same numbers: tflite-micro has no such CAST."""
    from ai_edge_litert.schema_py_generated import (
        BuiltinOperator,
        OperatorCodeT,
        QuantizationParametersT,
        TensorType,
    )

    code = OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.DEQUANTIZE
    for graph in model.subgraphs:
        for operator in graph.operators:
            image = graph.tensors[operator.inputs[0]] if len(operator.inputs) else None
            is_cast = model.operatorCodes[operator.opcodeIndex].builtinCode == BuiltinOperator.CAST
            if image is not None and is_cast and image.type == TensorType.UINT8:
                image.quantization = QuantizationParametersT()
                image.quantization.scale, image.quantization.zeroPoint = [1.0], [0]
                operator.opcodeIndex, operator.builtinOptions, operator.builtinOptionsType = (
                    len(model.operatorCodes),
                    None,
                    0,
                )
                model.operatorCodes.append(code)
