import math

import pytest
import torch
from torch import nn

from framework.config.sections import OptimizationConfig
from framework.optim.ema import make_ema
from framework.optim.gradients import gradient_norm
from framework.optim.optimizers import make_optimizer, parameter_groups
from framework.optim.schedules import make_schedule, one_cycle


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


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


def test_only_kernels_and_matrices_decay() -> None:
    decayed, others = parameter_groups(network(), 0.1)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3, 3, 3), (2, 16)]
    assert len(others["params"]) == 3


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_fused_optimizer_steps_like_the_plain_one(name: str) -> None:
    torch.manual_seed(0)
    ours, plain = network(), network()
    plain.load_state_dict(ours.state_dict())
    config = OptimizationConfig(optimizer=name, lr=0.1, momentum=0.8, weight_decay=0.01)
    groups = parameter_groups(plain, 0.01)
    reference: torch.optim.Optimizer
    if name == "sgd":
        reference = torch.optim.SGD(groups, 0.1, 0.8, nesterov=True, foreach=False)
    else:
        reference = torch.optim.AdamW(groups, 0.1, betas=(0.8, 0.999), foreach=False)
    for optimizer, model in ((make_optimizer(ours, config), ours), (reference, plain)):
        for step in range(3):
            torch.manual_seed(step)
            model(torch.randn(4, 3, 4, 4)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_schedule_follows_one_cycle() -> None:
    config = OptimizationConfig(lr=0.5, warmup=0.3)
    optimizer = make_optimizer(network(), config)
    schedule = make_schedule(optimizer, 20, config)
    for step in range(20):
        assert optimizer.param_groups[1]["lr"] == pytest.approx(0.5 * one_cycle(step, 20, 0.3))
        optimizer.step()
        schedule.step()


def test_gradients_are_measured_and_clipped() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.grad = torch.tensor([[3.0, 4.0]])
    assert gradient_norm(list(layer.parameters()), None).item() == 5
    assert layer.weight.grad.tolist() == [[3.0, 4.0]]
    assert gradient_norm(list(layer.parameters()), 1.0).item() == 5
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[0.6, 0.8]]))


def test_the_average_moves_by_its_decay_in_parameters_and_buffers() -> None:
    model = network()
    average = make_ema(model, 0.75)
    assert average is not None and make_ema(model, None) is None
    before = [tensor.clone() for tensor in average.module.state_dict().values()]
    average.update_parameters(model)  # the first takes the weights as they are
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(4)
    average.update_parameters(model)
    for old, new in zip(before, average.module.state_dict().values(), strict=True):
        if new.is_floating_point():
            torch.testing.assert_close(new, old + 1)
