"""What is found of a network before it is trained: the constraints, and the operators that its target lacks."""

from torch import nn

from framework.config import ConstraintsConfig
from framework.export.targets import missing_operators
from framework.inspection import check
from framework.inspection.finding import Finding


def find(model: nn.Module, input_shape: tuple[int, int, int], constraints: ConstraintsConfig) -> tuple[Finding, ...]:
    """Every declared line against the model on an image (C, H, W).

    Raises EmberfieldError for a shape that the model does not accept, and DeviceError where the target's libraries are
    not installed, unless 'no_constraints' waives it; the target is then not asked.
    """
    found = check(model, input_shape, constraints)
    if constraints.target is None or constraints.no_constraints:
        return found
    missing = missing_operators(model, input_shape, constraints.target)
    where = "; ".join(f"{name}: {', '.join(layers) or 'layer not known'}" for name, layers in missing.items())
    name = f"operators that {constraints.target} lacks"
    return (*found, Finding(name, len(missing), "none", not missing, where or "no layer", -len(missing)))
