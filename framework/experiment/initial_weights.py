"""What a network begins with: weights made from the training images, or those of a trained network."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from framework.checkpoint.file_format import load_weights
from framework.checkpoint.loaded_model import LoadedModel, load_named
from framework.checkpoint.networks import Networks, create_network
from framework.config import Config, saved_config
from framework.data.data_module import DataModule
from framework.data.image_data import ImageData
from framework.data.memory_map import gather
from framework.data.statistics import normalize
from framework.errors import EmberfieldError
from framework.experiment.named_data import run_of
from framework.ops.fake_quantize import RANGES

logger = logging.getLogger(__name__)

FROM_IMAGES = "initialize_from_images"
"""The method of a layer whose first weights depend on the images, see `framework.checkpoint.networks.Networks`."""

INITIAL_IMAGES = 5000
"""How many training images first weights are made from."""


def initialize_from_images(network: nn.Module, data: DataModule) -> None:
    """Calls the method FROM_IMAGES of every layer that has it, with normalised images that are trained on."""
    if methods := [getattr(layer, FROM_IMAGES) for layer in network.modules() if hasattr(layer, FROM_IMAGES)]:
        chosen = gather(data.data.train_images, data.sampler.indices[:INITIAL_IMAGES])
        images = normalize(torch.from_numpy(chosen), data.statistics)
        for method in methods:
            method(images)


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
    weights.pop(RANGES, None)  # another training's
    same = found.class_names == list(data.class_names)
    head = [] if same else _head(network, config, data, networks)
    load_weights(network, {**weights, **{tensor: own[tensor] for tensor in head}}, str(source.source))
    if config.data.val_size != 0 and found.data_hash == data.fingerprint() and not _held_out_the_same(source, config):
        logger.warning(
            "%s has learnt from images that are held out now, which flatters the validation accuracy: begin with a run "
            "of the same --seed and --val-size",
            name,
        )
    logger.info("begins with the weights of %s; new: %s", name, ", ".join(head) or "none")


def _held_out_the_same(source: LoadedModel, config: Config) -> bool:
    run = run_of(source)
    before = saved_config(run.config) if run else None
    return before is not None and all(
        getattr(old, name) == getattr(new, name)
        for name, old, new in (("val_size", before.data, config.data), ("seed", before.training, config.training))
    )


def _head(network: nn.Module, config: Config, data: ImageData, networks: Networks) -> list[str]:
    """The names of the tensors whose shape depends on the number of classes."""
    asked, classes = config.network, data.num_classes + 1
    other = create_network(
        networks, asked.arch, asked.arch_options, num_classes=classes, in_channels=data.channels
    ).state_dict()
    return [name for name, tensor in network.state_dict().items() if tensor.shape != other[name].shape]


def _made_of(arch: str, options: Mapping[str, Any]) -> str:
    return f"{arch} with --arch-options {json.dumps(dict(options))!r}" if options else f"{arch} without options"
