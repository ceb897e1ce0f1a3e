"""A network made ready for a training that simulates int8, and one that was trained so."""

import copy

import torch
from torch import nn

from framework.checkpoint.metadata import ModelMetadata
from framework.config import Config
from framework.distributed import ProcessGroup
from framework.errors import CheckpointError, EmberfieldError
from framework.ops.fake_quantize import RANGES, count_activations


def add_ranges(network: nn.Module, config: Config, metadata: ModelMetadata, processes: ProcessGroup) -> None:
    """Gives a network on its device the buffer RANGES, if the configuration asks for int8; the first step finds them.

    Raises EmberfieldError for what cannot go with the simulation: bfloat16, torch.compile, several processes; for a
    network that computes other operators in training than in evaluation, and one without any that int8 is known for.
    """
    if not config.training.int8:
        return
    given = {
        f"--precision {metadata.precision}": metadata.precision != "float32",
        "--compile": config.machine.compile,
        f"{processes.world_size} processes": processes.world_size > 1,
    }
    if refused := [option for option, is_given in given.items() if is_given]:
        raise EmberfieldError(f"--int8 cannot go with {' and '.join(refused)}")
    training, evaluation = (_count(copy.deepcopy(network).train(mode), metadata) for mode in (True, False))
    if training != evaluation or not training:
        raise EmberfieldError(
            f"--int8 cannot simulate the network: it rounds {training} activations in training and {evaluation} in "
            "evaluation, and they have to be the same ones"
        )
    device = next(network.parameters()).device
    network.register_buffer(RANGES, torch.full((training, 2), torch.inf, device=device))


def require_same_activations(network: nn.Module, metadata: ModelMetadata, source: str) -> None:
    """Raises CheckpointError, naming the `source`, if a network has ranges of another number than it is rounded at.

    So it is with a run from before a change of what is rounded. A network without ranges is passed.
    """
    ranges = dict(network.named_buffers(recurse=False)).get(RANGES)
    if ranges is not None and (count := _count(network, metadata)) != len(ranges):
        raise CheckpointError(
            f"{source} was trained with --int8 by another version: it has the ranges of {len(ranges)} activations, and "
            f"this version rounds {count}; evaluate it with the version that trained it, or export it"
        )


def _count(network: nn.Module, metadata: ModelMetadata) -> int:
    device = next(network.parameters()).device
    images = torch.zeros(2, *metadata.input_shape, device=device).contiguous(memory_format=torch.channels_last)
    return count_activations(network, images)
