"""Weights for other programs, as safetensors: tensors and text, nothing that could be run."""

from pathlib import Path

from safetensors.torch import save
from torch import nn

from framework.checkpoint.metadata import ModelMetadata
from framework.run.atomic import write_bytes


def write_weights(path: Path, network: nn.Module, metadata: ModelMetadata) -> None:
    """Writes the state dict of a network, with every field of its metadata as JSON in the file's metadata."""
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(weights, metadata.as_text()))
