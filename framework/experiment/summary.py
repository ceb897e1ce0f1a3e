"""What there is to choose from, and one network looked at, as text."""

import json
from typing import TYPE_CHECKING

from framework.data.registry import dataset_names
from framework.experiment.settings import preset_names
from framework.inspection import check, constraint_table, constraint_table_json, layer_table, layer_table_json
from framework.report.summary import torchsummary_table

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment


def summary(experiment: "Experiment", arch: str | None, image_size: int | None, *, as_json: bool) -> str:
    """torchsummary's table of a network, then ours, then the experiment's constraints; or these two as JSON."""
    defaults = experiment.defaults
    arch, side = arch or defaults.network.arch, image_size or defaults.data.image_size
    network, shape = experiment.package().create(arch), (3, side, side)
    findings = check(network, shape, defaults.constraints)
    if as_json:
        content = {"arch": arch, **layer_table_json(network, shape), "constraints": constraint_table_json(findings)}
        return json.dumps(content, indent=2)
    return "\n".join((torchsummary_table(network, shape), layer_table(network, shape), "", constraint_table(findings)))


def listing(experiment: "Experiment") -> str:
    """The networks with their options, the published weights, the data sets and the presets."""
    networks = experiment.package()
    lines = ["architectures"]
    for name in networks.names():
        lines.append(f"  {name}")
        try:
            lines += [f"      {option} = {default}" for option, default in networks.options(name).items()]
        except ValueError as error:  # a plug-in that cannot be loaded
            lines.append(f"      {error}")
    lines += ["published weights", *(f"  --arch {name} --pretrained" for name in sorted(networks.PRETRAINED))]
    lines += ["data sets", *(f"  --dataset {name}" for name in dataset_names())]
    lines += ["  --data FOLDER    train/<class>/*.png and test/<class>/*.png, or jpg"]
    lines += ["  --data FILE.npz  x_train, y_train, x_test, y_test"]
    lines += ["presets", *(f"  --preset {name}" for name in preset_names(experiment.presets))]
    return "\n".join(lines)
