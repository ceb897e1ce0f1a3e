"""Which precision is chosen, and how a gain of bfloat16 is judged, by seconds that are given."""

import logging

import pytest
import torch
from torch import nn

from framework.engine.precision import WORTH, choose_precision, times_faster
from framework.run.environment import fast_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize("asked", ["float32", "bfloat16", "auto"])
def test_a_precision_is_chosen_and_an_unwise_one_is_said(asked: str, caplog: pytest.LogCaptureFixture) -> None:
    network = nn.Conv2d(3, 4, 3)
    with caplog.at_level(logging.WARNING):
        chosen = choose_precision(asked, network, (3, 8, 8), CPU)
    possible = {"float32", "bfloat16"} if asked == "auto" and fast_bfloat16(CPU) else {asked.replace("auto", "float32")}
    assert chosen in possible
    assert ("no instructions for bfloat16" in caplog.text) == (asked == "bfloat16" and not fast_bfloat16(CPU))


@pytest.mark.parametrize(
    ("float32", "bfloat16", "gain", "taken"),
    [
        ([3, 3, 0, 0], [1, 1, 0, 0], 3.0, 2),
        ([1, 1, 0, 0], [3, 3, 0, 0], 1 / 3, 2),
        ([3, 3, 3, 3], [9, 1, 9, 9], 3.0, 2),  # the first was disturbed
        ([3, 3, 3, 3], [2.5, 2.5, 2.5, 2], 1.5, 4),
        ([4, 4, 4, 2], [2, 2, 2, 2], 2.0, 2),
        ([2.2, 2.2, 2.2, 2], [2, 2, 2, 2], 1.0, 4),
    ],
)
def test_a_clear_gain_is_believed_after_two_turns_and_a_close_one_after_four(
    float32: list[float], bfloat16: list[float], gain: float, taken: int
) -> None:
    first, second = iter(float32), iter(bfloat16)
    assert times_faster(lambda: next(first), lambda: next(second)) == pytest.approx(gain)
    assert len(list(first)) == len(list(second)) == 4 - taken


def test_what_is_not_worth_it_is_no_clear_gain() -> None:
    """1.2 times as fast is above WORTH and near it; the fourth turn has the last word."""
    float32, bfloat16 = iter([1.2 * WORTH] * 3 + [0.9 * WORTH]), iter([1.0] * 4)
    assert times_faster(lambda: next(float32), lambda: next(bfloat16)) < WORTH
