import copy

import pytest
import torch
from torch import Tensor, nn

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.writer import snapshot
from framework.config import OptimizationConfig
from framework.data.statistics import Statistics, normalize
from framework.engine.training_step import make_step
from framework.losses.distillation import Teacher, distillation_loss
from framework.optim.optimizers import make_optimizer

CPU = torch.device("cpu")
OWN, OTHER = Statistics((0.5,), (0.25,)), Statistics((0.4,), (0.5,))


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, 6, 6, 1), generator=generator).to(torch.uint8)
    return images, torch.randint(3, (8,), generator=generator)


def teacher(network: nn.Module, alpha: float, temperature: float = 2.0) -> Teacher:
    return Teacher(networks=[network.eval()], statistics=[OTHER], alpha=alpha, temperature=temperature)


def stepped(student: nn.Module, given: Teacher | None) -> float:
    """The loss of one step that changes the student."""
    step = make_step(
        student,
        make_optimizer(student, OptimizationConfig(lr=0.1)),
        loss=nn.CrossEntropyLoss(label_smoothing=0.1),
        statistics=OWN,
        device=CPU,
        teacher=given,
    )
    return float(step(*batch()).loss)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_loss_is_the_formula_of_the_paper(temperature: float) -> None:
    logits, targets = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p, q = ((values / temperature).exp() for values in (targets, logits))
    p, q = p / p.sum(1, keepdim=True), q / q.sum(1, keepdim=True)
    by_hand = temperature**2 * (p * (p.log() - q.log())).sum() / 8
    torch.testing.assert_close(distillation_loss(logits, targets, temperature), by_hand)
    assert distillation_loss(targets, targets, temperature).abs() < 1e-12 < by_hand


def test_the_gradient_is_of_the_same_size_at_any_high_temperature() -> None:
    """In the limit it is (logits - targets) / classes, for logits of mean zero (section 2.1)."""
    logits, targets = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    logits, targets = (values - values.mean(1, keepdim=True) for values in (logits, targets))
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(distillation_loss(logits, targets, 1e6), logits)
    torch.testing.assert_close(gradient, (logits - targets).detach() / 3 / 8, rtol=1e-3, atol=1e-6)


def test_a_step_minimises_both_losses_and_gives_the_teacher_its_own_normalization() -> None:
    student, teaching = network(0), network(1)
    before = copy.deepcopy(student)
    loss = stepped(student, teacher(teaching, 0.7))
    images, labels = batch()
    logits = before(normalize(images, OWN))
    by_label = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    by_teacher = distillation_loss(logits, teaching(normalize(images, OTHER)), 2.0)
    assert loss == pytest.approx((0.3 * by_label + 0.7 * by_teacher).item(), rel=1e-5)


def test_each_of_several_teachers_has_its_part_of_a_batch_by_its_own_statistics() -> None:
    images, _ = batch()
    trained = [(network(seed).eval(), own) for seed, own in ((1, OTHER), (2, OWN), (3, OTHER))]
    several = Teacher(
        networks=[each for each, _ in trained], statistics=[own for _, own in trained], alpha=0.5, temperature=2.0
    )
    alone = [each(normalize(images, own)) for each, own in trained]
    by_hand = torch.cat([alone[0][:3], alone[1][3:6], alone[2][6:]])
    torch.testing.assert_close(several.logits(images), by_hand)
    assert all((by_hand - one).abs().max() > 0.01 for one in alone)
    torch.testing.assert_close(several.logits(images[:2]), torch.cat([alone[0][:1], alone[1][1:2]]))
    one = teacher(trained[0][0], 0.5)
    assert torch.equal(one.logits(images), alone[0])


def test_the_teacher_stays_as_it_is_and_the_student_learns() -> None:
    student, teaching = network(0), network(1)
    kept, first = snapshot(teaching.state_dict()), snapshot(student.state_dict())
    stepped(student, teacher(teaching, 1.0))
    assert first_difference(kept, snapshot(teaching.state_dict())) is None
    assert all(parameter.grad is None for parameter in teaching.parameters())
    assert first_difference(first, snapshot(student.state_dict())) is not None


def test_alpha_0_changes_nothing_and_another_does() -> None:
    alone, ignoring, distilled = network(0), network(0), network(0)
    stepped(alone, None)
    stepped(ignoring, teacher(network(1), 0.0))
    stepped(distilled, teacher(network(1), 0.5))
    assert first_difference(alone.state_dict(), ignoring.state_dict()) is None
    assert first_difference(alone.state_dict(), distilled.state_dict()) is not None
