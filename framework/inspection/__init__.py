"""What a network is, proved before it is trained: receptive field, coverage, cost and declared constraints."""

from framework.inspection.constraints import check, require
from framework.inspection.cost import multiply_adds, parameter_count
from framework.inspection.coverage import input_coverage
from framework.inspection.receptive_field import receptive_field

__all__ = ["check", "input_coverage", "multiply_adds", "parameter_count", "receptive_field", "require"]
