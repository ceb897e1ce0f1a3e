import pytest
import torch
from torch import nn

from framework.config import OptimizationConfig
from framework.optim.muon import COEFFICIENTS, Muon, orthogonalized
from framework.optim.optimizers import make_optimizer


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 5, 40), (3, 40, 5), (1, 1, 9)])
def test_orthogonalized_is_the_quintic_of_the_singular_values(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, values, v = torch.linalg.svd(matrices, full_matrices=False)
    values = values / values.norm(dim=1, keepdim=True)
    a, b, c = COEFFICIENTS
    for _ in range(5):
        values = a * values + b * values**3 + c * values**5
    torch.testing.assert_close(orthogonalized(matrices), u * values[:, None] @ v, rtol=1e-5, atol=1e-5)


def test_singular_values_come_close_to_one() -> None:
    matrices = torch.randn(2, 16, 100, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalized(1000 * matrices))
    assert values.min() > 0.65 and values.max() < 1.25
    assert torch.equal(orthogonalized(torch.zeros(1, 3, 4)), torch.zeros(1, 3, 4))


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(32, 2))


def gradients(step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(p.shape, generator=generator) for p in small().parameters()]


def stepped(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
    for step in range(3):
        for parameter, gradient in zip(parameters, gradients(step), strict=True):
            parameter.grad = gradient.reshape(parameter.shape)
        optimizer.step()


def torchs_muon(kernel: torch.Tensor, index: int) -> torch.Tensor:
    """The kernel after three steps of torch.optim.Muon on it as a matrix."""
    matrix = nn.Parameter(kernel.flatten(1).clone())
    optimizer = torch.optim.Muon([matrix], 0.02, momentum=0.9, nesterov=True, weight_decay=0.1)
    for step in range(3):
        matrix.grad = gradients(step)[index].flatten(1)
        optimizer.step()
    return matrix.detach().view_as(kernel)


def test_kernels_step_like_torchs_muon_and_the_rest_like_sgd() -> None:
    network, plain, before = small(), small(), small().get_parameter("0.weight").detach()
    settings = {"lr": 0.1, "weight_decay": 0.1, "muon_lr": 0.02}
    stepped(make_optimizer(network, OptimizationConfig(optimizer="muon", **settings)), list(network.parameters()))
    stepped(make_optimizer(plain, OptimizationConfig(optimizer="sgd", **settings)), list(plain.parameters()))
    ours, theirs = network.get_parameter("0.weight").detach() - before, torchs_muon(before, 0) - before
    assert (ours - theirs).norm() < 0.03 * theirs.norm()  # theirs is in bfloat16
    assert (plain.get_parameter("0.weight") - before - theirs).norm() > theirs.norm()  # the control
    for name, parameter in network.named_parameters():
        if name != "0.weight":
            torch.testing.assert_close(parameter, plain.get_parameter(name))


def test_kernels_have_a_decay_of_their_own() -> None:
    plain, decayed, before = small(), small(), small().get_parameter("0.weight").detach()
    settings = {"optimizer": "muon", "lr": 0.1, "muon_lr": 0.02, "weight_decay": 0.1}
    optimizers = [
        make_optimizer(plain, OptimizationConfig(**settings, muon_weight_decay=0.0)),
        make_optimizer(decayed, OptimizationConfig(**settings, muon_weight_decay=0.5)),
    ]
    for optimizer, network in zip(optimizers, (plain, decayed), strict=True):
        for parameter, gradient in zip(network.parameters(), gradients(0), strict=True):
            parameter.grad = gradient.reshape(parameter.shape)
        optimizer.step()
    for name, parameter in plain.named_parameters():
        expected = parameter - 0.02 * 0.5 * before if name == "0.weight" else parameter
        torch.testing.assert_close(decayed.get_parameter(name), expected)


def test_kernels_of_one_shape_step_as_each_would_alone() -> None:
    torch.manual_seed(0)
    kernels = [nn.Parameter(torch.randn(shape)) for shape in [(8, 4, 3, 3), (8, 4, 3, 3), (16, 4, 1, 1), (8, 36, 1, 1)]]
    alone = [nn.Parameter(kernel.detach().clone()) for kernel in kernels]

    def stepped_together(group: list[nn.Parameter], sizes: list[float]) -> None:
        optimizer = Muon([{"params": group, "kernels": True}], lr=0.1, momentum=0.9)
        for kernel, size in zip(group, sizes, strict=True):
            kernel.grad = size * kernel.detach().sin()
        optimizer.step()

    stepped_together(kernels, [1, 1000, 1, 1])
    for kernel, expected in zip(kernels, alone, strict=True):
        stepped_together([expected], [1])
        torch.testing.assert_close(kernel, expected)
