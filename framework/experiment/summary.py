"""What there is to choose from, and one network looked at, as text."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from framework.checkpoint.networks import Networks, create_network
from framework.config import Config
from framework.data.preprocessing import DEFAULT_SIZE
from framework.data.registry import dataset_names
from framework.errors import EmberfieldError
from framework.experiment.findings import find
from framework.experiment.settings import preset_names
from framework.inspection import parameter_count
from framework.inspection.budget import int8_budget, int8_json, int8_words
from framework.inspection.finding import Finding
from framework.inspection.graph import record
from framework.inspection.network import follow_network
from framework.inspection.table import constraint_table, constraint_table_json, layer_table, layer_table_json
from framework.report.summary import torchsummary_table

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment


def summary(
    experiment: "Experiment",
    *,
    preset: str | None = None,
    files: Sequence[Path] = (),
    pretrained: bool = False,
    classes: int | None = None,
    channels: int | None = None,
    as_json: bool = False,
    **settings: Any,
) -> tuple[str, tuple[Finding, ...]]:
    """torchsummary's table of a network, then ours, then its constraints, or these two as JSON; and what is broken.

    `preset`, `files` and `settings` are as `Experiment.settings` takes them. Image size and numbers of `classes` and
    `channels` are those of published weights where `pretrained`, else the configuration's, 10 and 3. Nothing counts as
    broken with 'no_constraints'. Raises EmberfieldError for what the published weights do not have.
    """
    config, networks = experiment.settings(settings, preset=preset, files=files), experiment.package()
    if pretrained:
        network, shape = _published(networks, config, settings.get("image_size"), classes, channels)
    else:
        shape = _shape(channels or 3, config.data.image_size or DEFAULT_SIZE)
        network = create_network(
            networks, config.network.arch, config.network.arch_options, num_classes=classes or 10, in_channels=shape[0]
        )
    findings, followed = find(network, shape, config.constraints), follow_network(network, shape)
    if as_json:
        tables = {
            **layer_table_json(followed),
            **int8_json(followed.graph),
            "constraints": constraint_table_json(findings),
        }
        text = json.dumps({"arch": config.network.arch, **tables}, indent=2)
    else:
        device = (f"{name}: {figure}" for name, figure in int8_words(followed.graph))
        ours = (layer_table(followed), *device, "", constraint_table(findings))
        text = "\n".join((torchsummary_table(network, shape), *ours))
    return text, () if config.constraints.no_constraints else findings


def _published(
    networks: Networks, config: Config, image_size: int | None, classes: int | None, channels: int | None
) -> tuple[nn.Module, tuple[int, int, int]]:
    name, options = config.network.arch, config.network.arch_options
    description = networks.pretrained_weights(name).description
    own = {"classes": len(description["class_names"]), "channels": description["in_channels"]}
    for kind, asked in (("classes", classes), ("channels", channels)):
        if asked not in (None, own[kind]):
            raise EmberfieldError(f"--{kind} is {asked}; the published weights of {name} are for {own[kind]}")
    network = networks.create(name, num_classes=own["classes"], pretrained=True, **options)
    return network, _shape(own["channels"], image_size or description["image_size"])


def _shape(channels: int, side: int) -> tuple[int, int, int]:
    return channels, side, side


def listing(experiment: "Experiment") -> str:
    """The networks with their options, the published weights, the data sets and the presets."""
    networks = experiment.package()
    lines = ["architectures"]
    for name in networks.names():
        try:
            lines += _architecture(networks, name)
        except ValueError as error:  # a plug-in that cannot be loaded
            lines += [f"  {name}", f"      {error}"]
    lines += [f"  {library}:MODEL    {text}" for library, text in networks.libraries().items()]
    lines += ["published weights"]
    lines += [
        f"  --arch {name} --pretrained    test accuracy {100 * published.test_accuracy:.2f} %"
        for name, published in sorted(networks.PRETRAINED.items())
    ]
    lines += ["data sets", *(f"  --data {name}" for name in dataset_names())]
    lines += ["  --data FOLDER    train/<class>/* and test/<class>/*, and other forms: see docs/guides/data.md"]
    lines += ["  --data FILE.npz  x_train, y_train, x_test, y_test"]
    lines += ["presets", *(f"  --preset {name}" for name in preset_names(experiment.presets))]
    return "\n".join(lines)


def _architecture(networks: Networks, name: str) -> list[str]:
    """One architecture: parameters, description, and each option with its type and default."""
    with torch.device("meta"):  # counted without making a weight
        network = networks.create(name)
    parameters = f"{parameter_count(network):,} parameters for 10 classes"
    budget = int8_budget(record(network, _shape(3, DEFAULT_SIZE)))
    parameters += f", {budget[0].size:,} bytes as an int8 .tflite" if budget else ""
    types: Mapping[str, str] = networks.option_types(name)
    described = networks.describe(name)
    return [
        f"  {name}    {parameters}",
        *([f"      {described}"] if described else []),
        *(
            f"      {option}{': ' if types.get(option) else ''}{types.get(option, '')} = {_plain(default)}"
            for option, default in networks.options(name).items()
        ),
    ]


def _plain(default: object) -> str:
    return default.__name__ if isinstance(default, type) else repr(default)
