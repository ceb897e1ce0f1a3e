import math
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from framework.config import OptimizationConfig
from framework.optim.optimizers import make_optimizer
from framework.optim.schedules import Plateau, cosine, make_schedule, one_cycle, plateau_share

ENDS = (0.04, 1e-4)


@pytest.mark.parametrize("shape", [one_cycle, cosine])
def test_the_rate_rises_to_the_peak_and_falls_to_almost_nothing(shape: Callable[..., float]) -> None:
    shares = [shape(step, 101, 0.2, *ENDS) for step in range(101)]
    assert shares[0] == pytest.approx(0.04)
    assert shares.index(max(shares)) == 20
    assert shares[20] == pytest.approx(1.0)
    assert shares[60] == pytest.approx((1 + 1e-4) / 2)
    assert shares[-1] == pytest.approx(1e-4)
    assert all(a < b for a, b in zip(shares[:20], shares[1:21], strict=True))
    assert all(a > b for a, b in zip(shares[20:-1], shares[21:], strict=True))


@pytest.mark.parametrize("total", [1, 2, 3, 10])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [one_cycle, cosine])
def test_the_rate_is_finite_for_any_length(shape: Callable[..., float], total: int, warmup: float) -> None:
    shares = [shape(step, total, warmup, *ENDS) for step in range(total)]
    assert all(math.isfinite(share) and 0 < share <= 1 for share in shares)


def rates(steps: int, epoch_length: int, **settings: Any) -> list[float]:
    """The rate of each step, as an optimizer takes it."""
    config = OptimizationConfig(**settings)
    optimizer = make_optimizer(nn.Linear(3, 2), config)
    schedule = make_schedule(optimizer, steps, config, epoch_length)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[1]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_schedules_follow_their_shapes() -> None:
    assert rates(20, 5, lr=0.5, warmup=0.3) == [0.5 * one_cycle(step, 20, 0.3, *ENDS) for step in range(20)]
    ends = {"lr_start_share": 0.2, "lr_end_share": 0.5}
    for name, shape in (("one_cycle", one_cycle), ("cosine", cosine)):
        expected = [0.5 * shape(step, 20, 0.3, 0.2, 0.5) for step in range(20)]
        assert rates(20, 5, lr=0.5, warmup=0.3, schedule=name, **ends) == expected
    assert rates(12, 2, lr=0.5, schedule="constant") == [0.5] * 12
    cuts = rates(12, 2, lr=0.5, schedule="step", lr_epochs=3, lr_factor=0.1)
    assert cuts == pytest.approx([0.5] * 6 + [0.05] * 6)


def test_a_plateau_cuts_the_rate_after_so_many_epochs_without_improvement() -> None:
    assert plateau_share([3, 2, 1], 1, 0.5) == 1
    assert plateau_share([3, 2, 2, 2], 2, 0.5) == 0.5
    assert plateau_share([3, 2, 2, 1, 1], 2, 0.5) == 1
    assert plateau_share([1, 2, 3, 4, 5], 2, 0.5) == 0.25


def test_a_plateau_sets_the_rate_of_the_coming_step() -> None:
    config = OptimizationConfig(lr=0.8, schedule="plateau", lr_epochs=1, lr_factor=0.5, plateau_metric="accuracy")
    optimizer = make_optimizer(nn.Linear(3, 2), config)
    schedule = make_schedule(optimizer, 20, config)
    (plateau, _) = schedule.lr_lambdas
    assert isinstance(plateau, Plateau)
    history = []
    for accuracy, rate in ((0.5, 0.8), (0.6, 0.8), (0.6, 0.4), (0.7, 0.4), (0.1, 0.2)):
        optimizer.step()
        schedule.step()
        history.append({"val_accuracy": accuracy})
        plateau.follow(history, schedule)
        assert [group["lr"] for group in optimizer.param_groups] == schedule.get_last_lr() == [rate, rate]
    assert schedule.last_epoch == 5
    plateau.end = 0.5
    plateau.follow(history, schedule)
    assert optimizer.param_groups[0]["lr"] == 0.4
