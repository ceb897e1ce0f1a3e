import logging

import pytest
import torch
from torch import nn

from framework.engine.precision import choose_precision
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
