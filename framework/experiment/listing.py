"""What there is to choose from: networks, data sets, presets."""

from typing import TYPE_CHECKING

from framework.data.registry import dataset_names
from framework.experiment.settings import preset_names

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment


def listing(experiment: "Experiment") -> str:
    """The networks with their options, the data sets, and the presets, as text."""
    networks = experiment.package()
    lines = ["architectures"]
    for name in networks.names():
        lines.append(f"  {name}{'  (--pretrained)' if name in networks.PRETRAINED else ''}")
        try:
            lines += [f"      {option} = {default}" for option, default in networks.options(name).items()]
        except ValueError as error:  # a plug-in that cannot be loaded
            lines.append(f"      {error}")
    lines += ["data sets", *(f"  --dataset {name}" for name in dataset_names())]
    lines += [
        "  --data FOLDER    train/<class>/*.png and test/<class>/*.png, or jpg",
        "  --data FILE.npz  x_train, y_train, x_test, y_test",
    ]
    lines += ["presets", *(f"  --preset {name}" for name in preset_names(experiment.presets))]
    return "\n".join(lines)
