"""A network's layers, and what a recipe declares of it, as text and as JSON."""

import json

from framework.checkpoint.networks import Networks
from framework.config import ConstraintsConfig
from framework.inspection import check, constraint_table, constraint_table_json, layer_table, layer_table_json
from framework.report.summary import torchsummary_table


def summary_text(networks: Networks, arch: str, image_size: int, constraints: ConstraintsConfig) -> str:
    """torchsummary's table, then ours, then the constraints with a tick or a cross."""
    network, shape = networks.create(arch), (3, image_size, image_size)
    findings = check(network, shape, constraints)
    return "\n".join((torchsummary_table(network, shape), layer_table(network, shape), "", constraint_table(findings)))


def summary_json(networks: Networks, arch: str, image_size: int, constraints: ConstraintsConfig) -> str:
    """The same without torchsummary's table, as a JSON object."""
    network, shape = networks.create(arch), (3, image_size, image_size)
    findings = check(network, shape, constraints)
    content = {"arch": arch, **layer_table_json(network, shape), "constraints": constraint_table_json(findings)}
    return json.dumps(content, indent=2)
