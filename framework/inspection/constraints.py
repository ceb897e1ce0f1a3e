"""What a network must be, declared as data and checked against what it runs, before any training."""

from collections.abc import Callable

from torch import nn

from framework.config import ConstraintsConfig
from framework.errors import ConstraintError
from framework.inspection import traits
from framework.inspection.budget import budget_findings
from framework.inspection.cost import graph_multiply_adds, operation_multiply_adds, parameter_count
from framework.inspection.coverage import mask_of
from framework.inspection.finding import Finding
from framework.inspection.graph import Graph, Operation
from framework.inspection.network import Network, follow_network
from framework.inspection.receptive_field import field_of

REQUIRABLE: dict[str, Callable[[Network], tuple[Operation, ...]]] = {
    "depthwise_separable": traits.separable_convolutions,
    "dilated": traits.dilated_convolutions,
    "global_average_pooling": traits.global_averages,
}
"""What `ConstraintsConfig.requires` can name, with the operations that count."""

FORBIDDABLE: dict[str, Callable[[Network], tuple[Operation, ...]]] = {
    "max_pooling": traits.max_poolings,
    "pooling": traits.local_poolings,
    "strides": traits.strides,
}
"""What `ConstraintsConfig.forbids` can name, likewise; 'pooling' is any but the global average."""


def check(model: nn.Module, input_shape: tuple[int, int, int], constraints: ConstraintsConfig) -> tuple[Finding, ...]:
    """Every declared line against the model on an image (C, H, W); one that is not declared has no finding.

    Raises EmberfieldError for a shape that the model does not accept.
    """
    network = follow_network(model, input_shape)
    graph = network.graph
    found: list[Finding] = []
    if (most := constraints.max_params) is not None:
        count = parameter_count(model)
        found.append(Finding("parameters", count, f"at most {most:,}", count <= most, _largest(model), most - count))
    if (most := constraints.max_multiply_adds) is not None:
        adds = graph_multiply_adds(graph)
        found.append(Finding("multiply-adds", adds, f"at most {most:,}", adds <= most, _costliest(graph), most - adds))
    found += budget_findings(graph, constraints)
    if (least := constraints.min_receptive_field) is not None:
        field = field_of(network).network
        size = min(field.size)
        limit = f"at least {least}"
        found.append(Finding("receptive field", size, limit, size >= least, field.name, size - least))
    if (share := constraints.min_coverage) is not None:
        mask = mask_of(network)
        seen = float(mask.mean())
        found.append(Finding("input coverage", seen, f"at least {share}", seen >= share, "input", seen - share))
    if (number := constraints.strided_convs) is not None:
        strided = traits.strided_convolutions(network)
        found.append(_count("strided convolutions", strided, f"exactly {number}", len(strided) == number))
    if (kernel := constraints.strided_kernel) is not None:
        other = traits.strided_convolutions(network, except_kernel=kernel)
        limit = f"none but {kernel}x{kernel}"
        found.append(_count("other kernels of strided convolutions", other, limit, not other))
    for name in constraints.requires:
        counted = REQUIRABLE[name](network)
        found.append(_count(name.replace("_", " "), counted, "at least 1", bool(counted)))
    for name in constraints.forbids:
        counted = FORBIDDABLE[name](network)
        found.append(_count(name.replace("_", " "), counted, "none", not counted))
    return tuple(found)


def check_accuracy(accuracy: float, constraints: ConstraintsConfig) -> tuple[Finding, ...]:
    """What is declared of the share of test images that are classified right; no finding where nothing is."""
    least = constraints.min_accuracy
    return () if least is None else (Finding("test accuracy", accuracy, f"at least {least}", accuracy >= least, "-"),)


def require(findings: tuple[Finding, ...]) -> None:
    """Raises ConstraintError, naming every broken line with its figure, its limit and the layer, if there is one."""
    broken = [finding for finding in findings if not finding.holds]
    if broken:
        lines = [f"{f.name}: {f.shown}, has to be {f.limit} (look at {f.where})" for f in broken]
        raise ConstraintError(
            "the network breaks what is declared of it (--no-constraints takes it all the same):\n"
            + "\n".join(f"  {line}" for line in lines)
        )


def _count(name: str, counted: tuple[Operation, ...], limit: str, holds: bool) -> Finding:
    where = ", ".join(dict.fromkeys(operation.layer or "the model itself" for operation in counted))
    return Finding(name, len(counted), limit, holds, where or "no layer")


def _largest(model: nn.Module) -> str:
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return max(sizes, key=lambda name: sizes[name], default="no parameter")


def _costliest(graph: Graph) -> str:
    costliest = max(graph.operations, key=operation_multiply_adds, default=None)
    return (costliest.layer or "the model itself") if costliest else "no layer"
