"""What a network must be, declared as data and checked against what it runs, before any training."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from framework.errors import ConstraintError, EmberfieldError
from framework.inspection import traits
from framework.inspection.cost import operation_multiply_adds, parameter_count, total_multiply_adds
from framework.inspection.coverage import mask_of
from framework.inspection.graph import Graph, Operation
from framework.inspection.network import Network, follow_network
from framework.inspection.receptive_field import field_of

REQUIRABLE: dict[str, Callable[[Network], tuple[Operation, ...]]] = {
    "depthwise_separable": traits.separable_convolutions,
    "dilated": traits.dilated_convolutions,
    "global_average_pooling": traits.global_averages,
}
"""What `Constraints.requires` can name, with the operations that count."""

FORBIDDABLE: dict[str, Callable[[Network], tuple[Operation, ...]]] = {
    "max_pooling": traits.max_poolings,
    "pooling": traits.local_poolings,
    "strides": traits.strides,
}
"""What `Constraints.forbids` can name, with the operations that count; 'pooling' is any but the global average."""


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What is declared of a network; None and () declare nothing. Raises EmberfieldError for an impossible limit.

    `parameters_under`, `multiply_adds_under` (of one image) and `receptive_field_over` (pixels, along both axes, at
    the last map before the final global pooling) are strict: the figure has to be below or above, not equal.
    `input_coverage_from` is the least share, 0 to 1, of pixels that can reach the output. `strided_convs` is the exact
    number of convolutions with a stride above 1. `requires` and `forbids` name kinds of layer (REQUIRABLE,
    FORBIDDABLE).
    """

    parameters_under: int | None = None
    multiply_adds_under: int | None = None
    receptive_field_over: int | None = None
    input_coverage_from: float | None = None
    strided_convs: int | None = None
    requires: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("parameters_under", "multiply_adds_under", "receptive_field_over", "strided_convs"):
            limit = getattr(self, name)
            if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
                raise EmberfieldError(f"{name} {limit!r}: it has to be an integer from 0, or None")
        share = self.input_coverage_from
        if share is not None and not 0 <= share <= 1:
            raise EmberfieldError(f"input_coverage_from {share!r}: it has to be a share from 0 to 1, or None")
        for field, valid in (("requires", REQUIRABLE), ("forbids", FORBIDDABLE)):
            for name in getattr(self, field):
                if name not in valid:
                    near = difflib.get_close_matches(name, valid, 1, 0)
                    raise EmberfieldError(
                        f"{field} {name!r} is unknown; nearest {near[0]!r}; valid: {', '.join(valid)}"
                    )


@dataclass(frozen=True)
class Finding:
    """One declared line: what it is about, the network's figure, the limit in words, and the layer to look at."""

    name: str
    figure: int | float
    limit: str
    holds: bool
    where: str


def check(model: nn.Module, input_shape: tuple[int, int, int], constraints: Constraints) -> tuple[Finding, ...]:
    """Every declared line against the model on an image (C, H, W); one that is not declared has no finding.

    Raises EmberfieldError for a shape that the model does not accept.
    """
    network = follow_network(model, input_shape)
    graph = network.graph
    found: list[Finding] = []
    if (under := constraints.parameters_under) is not None:
        count = parameter_count(model)
        found.append(Finding("parameters", count, f"under {under:,}", count < under, _largest(model)))
    if (under := constraints.multiply_adds_under) is not None:
        adds = total_multiply_adds(graph)
        found.append(Finding("multiply-adds", adds, f"under {under:,}", adds < under, _costliest(graph)))
    if (over := constraints.receptive_field_over) is not None:
        field = field_of(model, network).network
        size = min(field.size)
        found.append(Finding("receptive field", size, f"over {over}", size > over, field.name))
    if (share := constraints.input_coverage_from) is not None:
        mask = mask_of(model, network)
        seen = float(mask.mean())
        found.append(Finding("input coverage", seen, f"at least {share}", seen >= share, "input"))
    if (number := constraints.strided_convs) is not None:
        strided = traits.strided_convolutions(network)
        found.append(_count("strided convolutions", strided, f"exactly {number}", len(strided) == number))
    for name in constraints.requires:
        counted = REQUIRABLE[name](network)
        found.append(_count(name.replace("_", " "), counted, "at least 1", bool(counted)))
    for name in constraints.forbids:
        counted = FORBIDDABLE[name](network)
        found.append(_count(name.replace("_", " "), counted, "none", not counted))
    return tuple(found)


def require(findings: tuple[Finding, ...]) -> None:
    """Raises ConstraintError, naming every broken line with its figure, its limit and the layer, if there is one."""
    broken = [finding for finding in findings if not finding.holds]
    if broken:
        lines = [f"{f.name}: {f.figure:,}, has to be {f.limit} (look at {f.where})" for f in broken]
        raise ConstraintError("the network breaks what is declared of it:\n" + "\n".join(f"  {line}" for line in lines))


def _count(name: str, counted: tuple[Operation, ...], limit: str, holds: bool) -> Finding:
    where = ", ".join(dict.fromkeys(operation.layer or "the model itself" for operation in counted))
    return Finding(name, len(counted), limit, holds, where or "no layer")


def _largest(model: nn.Module) -> str:
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return max(sizes, key=lambda name: sizes[name], default="no parameter")


def _costliest(graph: Graph) -> str:
    costliest = max(graph.operations, key=operation_multiply_adds, default=None)
    return (costliest.layer or "the model itself") if costliest else "no layer"
