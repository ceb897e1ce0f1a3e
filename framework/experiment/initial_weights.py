"""A network that begins with the weights of a trained one."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from framework.checkpoint.file_format import load_weights
from framework.checkpoint.loaded_model import load_named
from framework.checkpoint.networks import Networks, create_network
from framework.config import Config
from framework.data.image_data import ImageData
from framework.errors import EmberfieldError

logger = logging.getLogger(__name__)


def begin_with_trained(
    network: nn.Module,
    config: Config,
    data: ImageData,
    networks: Networks,
    device: torch.device,
    *,
    begun: bool = False,
) -> None:
    """Copies the weights that `init_from` names into a new network on its device; nothing for a run that has begun.

    Where the classes are not the same in the same order, the head stays new: all whose shape depends on their number.
    Raises EmberfieldError for a name of nothing, or of a network of another architecture or with other options;
    CheckpointError as `load_named` does, and for tensors that do not fit, as those of other channels.
    """
    asked, name = config.network, config.network.init_from
    if name is None or begun:
        return
    source = load_named(networks, name, device, what="init_from", trusted=(asked.arch,), option="--arch")
    found = source.metadata
    if (found.arch, found.arch_options) != (asked.arch, dict(asked.arch_options)):
        raise EmberfieldError(
            f"init_from {name} is {_made_of(found.arch, found.arch_options)}, and the network to train "
            f"{_made_of(asked.arch, asked.arch_options)}: they have to be the same"
        )
    weights, own = source.network.state_dict(), network.state_dict()
    same = found.class_names == list(data.class_names)
    head = [] if same else _head(network, config, data, networks)
    load_weights(network, {**weights, **{tensor: own[tensor] for tensor in head}}, str(source.source))
    logger.info("begins with the weights of %s; new: %s", name, ", ".join(head) or "none")


def _head(network: nn.Module, config: Config, data: ImageData, networks: Networks) -> list[str]:
    """The names of the tensors whose shape depends on the number of classes."""
    asked, classes = config.network, data.num_classes + 1
    other = create_network(
        networks, asked.arch, asked.arch_options, num_classes=classes, in_channels=data.channels
    ).state_dict()
    return [name for name, tensor in network.state_dict().items() if tensor.shape != other[name].shape]


def _made_of(arch: str, options: Mapping[str, Any]) -> str:
    return f"{arch} with --arch-options {json.dumps(dict(options))!r}" if options else f"{arch} without options"
