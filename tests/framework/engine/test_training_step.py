import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.writer import snapshot
from framework.config import OptimizationConfig
from framework.data.statistics import Statistics
from framework.engine.nonfinite import NonFiniteGuard
from framework.engine.training_step import Step, StepOutput, make_step
from framework.errors import NonFiniteError
from framework.optim.learning_rates import load_optimizer, plain_rates, rates_on_device
from framework.optim.optimizers import make_optimizer
from framework.optim.schedules import make_schedule

CPU = torch.device("cpu")


def made(
    optimizer: str = "sgd", *, undoes: bool = False, rates_in_tensors: bool = False
) -> tuple[nn.Module, torch.optim.Optimizer, Step]:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )
    chosen = make_optimizer(network, OptimizationConfig(optimizer=optimizer, lr=0.1, weight_decay=0.01))
    if rates_in_tensors:
        rates_on_device(chosen, CPU)
    loss = nn.CrossEntropyLoss()
    statistics = Statistics((0.5,), (0.25,))
    step = make_step(network, chosen, loss=loss, statistics=statistics, device=CPU, undoes=undoes)
    return network, chosen, step


def batch(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (8, 6, 6, 1), generator=generator).to(torch.uint8)
    return images, torch.randint(3, (8,), generator=generator)


def moments(optimizer: torch.optim.Optimizer) -> Any:
    """The optimizer's state but for zeros, which AdamW makes in its first step."""
    kept = [{name: value for name, value in state.items() if value.any()} for state in optimizer.state.values()]
    return [state for state in kept if state]


def explode(network: nn.Module) -> None:
    """Makes the next gradient infinite, the loss staying finite no longer than that."""
    with torch.no_grad():
        network.get_parameter("4.bias")[0] = torch.inf


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize("before", [0, 2])
def test_a_step_that_is_not_finite_changes_nothing(optimizer: str, before: int) -> None:
    network, chosen, step = made(optimizer, undoes=True)
    for number in range(before):
        step(*batch(number))
    bias = network.get_parameter("4.bias").detach().clone()
    explode(network)
    kept = snapshot([network.state_dict(), moments(chosen)])
    outcome = step(*batch(before))
    assert first_difference(kept, snapshot([network.state_dict(), moments(chosen)])) is None
    assert not outcome.finite and outcome.loss.isnan() and outcome.correct.isnan()
    with torch.no_grad():
        network.get_parameter("4.bias").copy_(bias)
    reference, _, reference_step = made(optimizer, undoes=True)
    for number in [*range(before), before + 1]:
        reference_step(*batch(number))
    step(*batch(before + 1))
    assert first_difference(network.state_dict(), reference.state_dict()) is None


def test_without_undoing_the_buffers_have_moved() -> None:
    network, _, step = made()
    kept = snapshot(dict(network.named_buffers()))
    explode(network)
    assert not step(*batch(0)).finite
    assert first_difference(kept, snapshot(dict(network.named_buffers()))) is not None


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_rates_in_tensors_compute_the_same(optimizer: str) -> None:
    weights = []
    for rates_in_tensors in (False, True):
        network, chosen, step = made(optimizer, rates_in_tensors=rates_in_tensors)
        schedule = make_schedule(chosen, 10, OptimizationConfig(lr=0.1))
        if rates_in_tensors:
            rates_on_device(chosen, CPU)
        for number in range(4):
            step(*batch(number))
            schedule.step()
        weights.append(torch.nn.utils.parameters_to_vector(network.parameters()))
        assert isinstance(plain_rates(chosen.state_dict())["param_groups"][0]["lr"], float)
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)


def test_a_saved_state_keeps_the_rates_where_they_lie() -> None:
    _, chosen, step = made(rates_in_tensors=True)
    step(*batch(0))
    tensor = chosen.param_groups[0]["lr"]
    saved = copy.deepcopy(plain_rates(chosen.state_dict()))
    saved["param_groups"][0]["lr"] = 0.25
    load_optimizer(chosen, saved)
    assert chosen.param_groups[0]["lr"] is tensor and tensor.item() == 0.25


def test_a_guard_that_checks_now_and_then_names_the_step(caplog: pytest.LogCaptureFixture) -> None:
    def outcome(value: float) -> StepOutput:
        loss = torch.tensor(value)
        return StepOutput(loss, loss, loss, torch.tensor(1.0), loss.isfinite())

    guard = NonFiniteGuard(1, lambda step: [step, step + 1], every=4)
    for step, value in enumerate([1.0, torch.nan, 2.0], 1):
        guard.record(step, 0.5, outcome(value))
    assert guard.skipped == 0
    guard.record(4, 0.5, outcome(1.0))
    assert guard.skipped == 1
    assert caplog.messages[0].startswith("step 2: loss nan, gradient norm 1.0, learning rate 0.5; left out")
    guard.record(5, torch.tensor(0.25), outcome(torch.inf))
    with pytest.raises(NonFiniteError, match=r"step 5: loss inf.* rate 0\.25; .*training images 4, 5\."):
        guard.check()
    guard.check()


def test_the_mean_gradient_of_several_parts_is_that_of_the_batch() -> None:
    def after(accumulate: int) -> tuple[Tensor, StepOutput]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
        chosen = make_optimizer(network, OptimizationConfig(lr=0.1))
        statistics = Statistics((0.5,), (0.25,))
        loss = nn.CrossEntropyLoss()
        step = make_step(network, chosen, loss=loss, statistics=statistics, device=CPU, accumulate=accumulate)
        outputs = [step(*batch(number)) for number in range(3)]
        return torch.nn.utils.parameters_to_vector(network.parameters()), outputs[-1]

    (whole, output), (parts, of_parts) = after(1), after(4)
    torch.testing.assert_close(whole, parts)
    for name in ("loss", "correct", "norm"):
        torch.testing.assert_close(getattr(output, name), getattr(of_parts, name))


def test_labels_in_shares_are_those_they_stand_for() -> None:
    images, labels = batch(0)
    shares = nn.functional.one_hot(labels, 3).float()
    (_, _, by_label), (_, _, by_share), (_, _, by_both) = made(), made(), made()
    outcome, expected = by_share(images, shares), by_label(images, labels)
    torch.testing.assert_close(outcome.loss, expected.loss)
    assert torch.equal(outcome.correct, expected.correct)
    other = by_both(images, torch.lerp(shares, shares.roll(1, 0), 0.4))
    assert torch.equal(other.correct, expected.correct) and other.loss != expected.loss
