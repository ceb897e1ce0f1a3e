"""What a network is, proved before it is trained: receptive field, coverage, cost and declared constraints."""

from framework.inspection.constraints import Finding, check, require
from framework.inspection.cost import multiply_adds, parameter_count
from framework.inspection.coverage import coverage_mask, input_coverage
from framework.inspection.effective_field import EffectiveField, effective_field, mirrored
from framework.inspection.exact_field import LayerField, ReceptiveField
from framework.inspection.last_feature_map import run_to_last_feature_map
from framework.inspection.receptive_field import receptive_field
from framework.inspection.support import measured_coverage, measured_field
from framework.inspection.table import (
    constraint_rows,
    constraint_table,
    constraint_table_json,
    layer_rows,
    layer_table,
    layer_table_json,
)

__all__ = [
    "EffectiveField",
    "Finding",
    "LayerField",
    "ReceptiveField",
    "check",
    "constraint_rows",
    "constraint_table",
    "constraint_table_json",
    "coverage_mask",
    "effective_field",
    "input_coverage",
    "layer_rows",
    "layer_table",
    "layer_table_json",
    "measured_coverage",
    "measured_field",
    "mirrored",
    "multiply_adds",
    "parameter_count",
    "receptive_field",
    "require",
    "run_to_last_feature_map",
]
