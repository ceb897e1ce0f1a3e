"""The layers and the constraints of a network as tables: text for people, plain data for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from framework.inspection.cost import operation_multiply_adds, parameter_count
from framework.inspection.coverage import mask_of
from framework.inspection.finding import Finding, in_words
from framework.inspection.network import Layer, Network
from framework.inspection.receptive_field import field_of


@dataclass(frozen=True)
class LayerRow:
    """One layer: output shape (C, H, W), the parameters that it is the first to use, multiply-adds of one image.

    `receptive_field` and `jump` are (height, width) in pixels, None after the positions can no longer be followed.
    """

    layer: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, int] | None
    jump: tuple[float, float] | None


def layer_rows(network: Network) -> tuple[LayerRow, ...]:
    """The layers in the order in which they run on the image, and the parameters that none of them uses.

    The parameters add up to `parameter_count`.
    """
    fields = field_of(network).layers if network.untracked is None else (None,) * len(network.layers)
    sizes = {name: parameter.numel() for name, parameter in network.model.named_parameters()}
    rows = [
        LayerRow(
            layer=layer.name,
            output=layer.value.shape[1:],
            parameters=sum(sizes.pop(name, 0) for name in _parameters(layer)),
            multiply_adds=sum(map(operation_multiply_adds, layer.operations)),
            receptive_field=field.size if field else None,
            jump=(float(field.jump[0]), float(field.jump[1])) if field else None,
        )
        for layer, field in zip(network.layers, fields, strict=True)
    ]
    if sizes:
        rows.append(LayerRow("not used", (), sum(sizes.values()), 0, None, None))
    assert sum(row.parameters for row in rows) == parameter_count(network.model)
    return tuple(rows)


def layer_table(network: Network) -> str:
    """The layers as text: layer, output, parameters, multiply-adds, receptive field and jump."""
    rows = layer_rows(network)
    lines = [("layer", "output", "parameters", "multiply-adds", "receptive field", "jump")]
    for row in rows:
        field, jump = _both(row.receptive_field), _both(row.jump)
        shape = "x".join(map(str, row.output))
        lines.append((row.layer, shape, f"{row.parameters:,}", f"{row.multiply_adds:,}", field, jump))
    parameters, adds = sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)
    lines.append(("total", "", f"{parameters:,}", f"{adds:,}", "", ""))
    return _aligned(lines)


def constraint_rows(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """A header, then a row for each declared line, with a tick or a cross before it."""
    rows: list[tuple[str, ...]] = [("", "constraint", "figure", "limit", "margin", "where")]
    rows += [
        ("✓" if found.holds else "✗", found.name, found.shown, found.limit, in_words(found.margin), found.where)
        for found in findings
    ]
    return rows


def constraint_table(findings: Sequence[Finding]) -> str:
    """The declared lines as text."""
    return _aligned(constraint_rows(findings), right=frozenset([2, 4]))


def layer_table_json(network: Network) -> dict[str, Any]:
    """The layers, and the figures of the network, as plain data for the json module.

    Keys: layers, parameters, multiply_adds, receptive_field (height, width), receptive_field_method, input_coverage.
    """
    rows = layer_rows(network)
    field = field_of(network)
    return {
        "layers": [asdict(row) for row in rows],
        "parameters": sum(row.parameters for row in rows),
        "multiply_adds": sum(row.multiply_adds for row in rows),
        "receptive_field": list(field.network.size),
        "receptive_field_method": field.method,
        "input_coverage": float(mask_of(network).mean()),
    }


def constraint_table_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The declared lines as plain data for the json module, with the keys of a Finding."""
    return [asdict(finding) for finding in findings]


def _parameters(layer: Layer) -> list[str]:
    return sorted({name for op in layer.operations for value in op.inputs for name in value.parameters})


def _both(pair: tuple[float, float] | None) -> str:
    if pair is None:
        return ""
    height, width = (str(Fraction(number).limit_denominator(1000)) for number in pair)
    return height if height == width else f"{height}x{width}"


def _aligned(lines: Sequence[tuple[str, ...]], right: frozenset[int] = frozenset([2, 3, 4, 5])) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
