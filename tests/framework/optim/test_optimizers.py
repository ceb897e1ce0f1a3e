import pytest
import torch
from torch import nn

from framework.config import OptimizationConfig
from framework.optim.optimizers import make_optimizer, parameter_groups


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def test_only_kernels_and_matrices_decay() -> None:
    decayed, others = parameter_groups(network(), 0.1)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3, 3, 3), (2, 16)]
    assert len(others["params"]) == 3


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
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
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
        reference = kind(groups, 0.1, betas=(0.8, 0.999), foreach=False)
    for optimizer, model in ((make_optimizer(ours, config), ours), (reference, plain)):
        for step in range(3):
            torch.manual_seed(step)
            model(torch.randn(4, 3, 4, 4)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
