"""Networks for ExecuTorch: a .pte file, its operators given to XNNPACK where that has them."""

import json
from collections.abc import Callable

import torch
from torch import Tensor, nn

from framework.checkpoint.metadata import ModelMetadata
from framework.data.image_data import Images
from framework.export.traced import cannot, export, file_metadata, folded, quiet
from framework.export.xnnpack import for_xnnpack, unshared

METADATA = "metadata"
"""The method of a file that returns its metadata: a text, JSON."""


def write_executorch(network: nn.Module, metadata: ModelMetadata) -> bytes:
    """A .pte file of a network in evaluation mode, for one image at a time (1, C, H, W).

    Raises EmberfieldError for a network that ExecuTorch cannot express.
    """
    module, example = folded(network, metadata)
    return _lowered(for_xnnpack(module), example, file_metadata(metadata, "1"))


@torch.no_grad()
def write_int8_executorch(network: nn.Module, metadata: ModelMetadata, calibration: Images) -> bytes:
    """The same in int8, by torchao's PT2E quantisation for XNNPACK, for one uint8 image at a time (1, H, W, C).

    Weights are scaled per channel, activations by their range on the `calibration` images (N, H, W, C).
    """
    module, example = folded(network, metadata, of_bytes=True)
    unshared(for_xnnpack(module, for_int8=True))
    with quiet():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        try:
            quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
            observed = prepare_pt2e(module, quantizer)
            for image in calibration:
                observed(torch.from_numpy(image[None].copy()))
            quantized = convert_pt2e(observed)
        except Exception as error:  # a network of someone else's can hold anything
            raise cannot("quantised for ExecuTorch", error) from error
    return _lowered(quantized, example, file_metadata(metadata, "1", of_bytes=True))


def read_executorch(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network of a .pte file, run by ExecuTorch on the CPU, image by image.

    Raises EmberfieldError for one that ExecuTorch refuses, at once or as it runs.
    """
    with quiet():
        from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
        from executorch.runtime import Runtime

    _unsafe_reset_threadpool(torch.get_num_threads())  # else it takes every core, whatever the user set
    try:
        program = Runtime.get().load_program(content)
        method = program.load_method("forward")
    except RuntimeError as error:
        raise cannot("run by ExecuTorch", error) from error
    assert method is not None

    def logits(images: Tensor, _held: object = (content, program)) -> Tensor:  # ExecuTorch reads both as it runs
        try:
            return torch.cat([method.execute([image[None].contiguous()])[0].clone() for image in images])
        except RuntimeError as error:  # its converter can write what it does not run
            raise cannot("run by ExecuTorch", error) from error

    return logits


def _lowered(module: nn.Module, example: Tensor, described: dict[str, str]) -> bytes:
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        try:
            edge = to_edge_transform_and_lower(
                export(module, example),
                partitioner=[XnnpackPartitioner()],
                constant_methods={METADATA: json.dumps(described)},
            )
            return bytes(edge.to_executorch().buffer)
        except Exception as error:  # a network of someone else's can hold anything
            raise cannot("expressed in ExecuTorch", error) from error
