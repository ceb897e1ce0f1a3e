"""Weights for other programs, as safetensors: tensors and text, nothing that could be run."""

from pathlib import Path

from safetensors.torch import save
from torch import nn

from framework.atomic import write_bytes
from framework.description import Description


def write_weights(path: Path, network: nn.Module, description: Description) -> None:
    """Writes the state dict of a network, with every field of its description as JSON in the file's metadata."""
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(weights, description.as_text()))
