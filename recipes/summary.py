"""A network's layers, and what a recipe declares of it, as text and as JSON."""

import dataclasses
import json

from architectures import create
from framework.inspection import (
    Constraints,
    check,
    constraint_table,
    constraint_table_json,
    layer_table,
    layer_table_json,
)
from framework.report.summary import torchsummary_table
from framework.sections import ConstraintsConfig


def declared(config: ConstraintsConfig) -> Constraints:
    """The constraints of a configuration, for `framework.inspection.check`."""
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(Constraints)}
    return Constraints(**fields)


def summary_text(arch: str, image_size: int, constraints: ConstraintsConfig) -> str:
    """torchsummary's table, then ours, then the constraints with a tick or a cross."""
    network, shape = create(arch), (3, image_size, image_size)
    findings = check(network, shape, declared(constraints))
    return "\n".join((torchsummary_table(network, shape), layer_table(network, shape), "", constraint_table(findings)))


def summary_json(arch: str, image_size: int, constraints: ConstraintsConfig) -> str:
    """The same without torchsummary's table, as a JSON object."""
    network, shape = create(arch), (3, image_size, image_size)
    findings = check(network, shape, declared(constraints))
    content = {"arch": arch, **layer_table_json(network, shape), "constraints": constraint_table_json(findings)}
    return json.dumps(content, indent=2)
