"""Networks for ExecuTorch: a .pte file, its operators given to XNNPACK where that has them."""

import json
from collections.abc import Callable

import torch
from torch import Tensor, nn

from framework.checkpoint.metadata import ModelMetadata
from framework.export.traced import cannot, export, file_metadata, folded, quiet

METADATA = "metadata"
"""The method of a file that returns its metadata: a text, JSON."""


def write_executorch(network: nn.Module, metadata: ModelMetadata) -> bytes:
    """A .pte file of a network in evaluation mode, for one image at a time (1, C, H, W).

    Raises EmberfieldError for a network that ExecuTorch cannot express.
    """
    module, example = folded(network, metadata)
    described = {METADATA: json.dumps(file_metadata(metadata, "1"))}
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        try:
            edge = to_edge_transform_and_lower(
                export(module, example), partitioner=[XnnpackPartitioner()], constant_methods=described
            )
            return bytes(edge.to_executorch().buffer)
        except Exception as error:  # a network of someone else's can hold anything
            raise cannot("expressed in ExecuTorch", error) from error


def read_executorch(content: bytes) -> Callable[[Tensor], Tensor]:
    """The network of a .pte file, run by ExecuTorch on the CPU, image by image."""
    with quiet():
        from executorch.runtime import Runtime

    method = Runtime.get().load_program(content).load_method("forward")
    return lambda images: torch.cat([method.execute([image[None].contiguous()])[0].clone() for image in images])
