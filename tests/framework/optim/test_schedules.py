import math

import pytest
from torch import nn

from framework.config import OptimizationConfig
from framework.optim.optimizers import make_optimizer
from framework.optim.schedules import make_schedule, one_cycle


def test_one_cycle_rises_to_the_peak_and_falls_to_almost_nothing() -> None:
    shares = [one_cycle(step, 101, 0.2) for step in range(101)]
    assert shares[0] == pytest.approx(0.04)
    assert shares.index(max(shares)) == 20
    assert shares[20] == pytest.approx(1.0)
    assert shares[-1] == pytest.approx(1e-4)
    assert all(a < b for a, b in zip(shares[:20], shares[1:21], strict=True))
    assert all(a > b for a, b in zip(shares[20:-1], shares[21:], strict=True))


@pytest.mark.parametrize("total", [1, 2, 3, 10])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
def test_one_cycle_is_finite_for_any_length(total: int, warmup: float) -> None:
    shares = [one_cycle(step, total, warmup) for step in range(total)]
    assert all(math.isfinite(share) and 0 < share <= 1 for share in shares)


def test_schedule_follows_one_cycle() -> None:
    config = OptimizationConfig(lr=0.5, warmup=0.3)
    optimizer = make_optimizer(nn.Linear(3, 2), config)
    schedule = make_schedule(optimizer, 20, config)
    for step in range(20):
        assert optimizer.param_groups[1]["lr"] == pytest.approx(0.5 * one_cycle(step, 20, 0.3))
        optimizer.step()
        schedule.step()
