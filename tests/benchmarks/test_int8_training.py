import math

from benchmarks.int8_training import row, table
from framework.export.int8 import Accuracies


def found(*shares: tuple[float, float]) -> tuple[Accuracies, Accuracies, Accuracies]:
    first, second, third = (Accuracies("made up", 100, *each) for each in shares)
    return first, second, third


def test_the_share_regained_is_of_what_int8_cost_the_trained_network() -> None:
    spoilt = found((0.90, 0.80), (0.95, 0.82), (0.99, 0.86))
    assert [round(each, 6) for each in row(spoilt)] == [90, 80, 82, 86, 10, 60]
    assert math.isnan(row(found((0.9, 0.9), (0.9, 0.9), (0.9, 0.9)))[-1])
    lines = table(["a", "b"], [spoilt, found((0.90, 0.90), (0.9, 0.9), (0.9, 0.9))]).splitlines()
    assert lines[-1] == "| mean | 90.00 | 85.00 | 86.00 | 88.00 | 5.00 | 60 % |"
