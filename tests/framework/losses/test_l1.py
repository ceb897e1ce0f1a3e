import pytest
import torch
from torch import nn

from framework.losses.l1 import l1_term


def test_the_magnitudes_of_trained_kernels_and_matrices_are_summed() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2), nn.Linear(2, 2))
    network[3].weight.requires_grad_(False)
    term = l1_term(0.5)(network, torch.zeros(1, 2), torch.zeros(1))
    expected = 0.5 * (network[0].weight.abs().sum() + network[2].weight.abs().sum())
    assert term.item() == pytest.approx(expected.item())
    term.backward()
    torch.testing.assert_close(network[0].weight.grad, 0.5 * network[0].weight.sign())
    assert network[0].bias.grad is None and network[1].weight.grad is None


def test_a_network_without_matrices_has_none() -> None:
    assert l1_term(0.5)(nn.BatchNorm2d(2), torch.zeros(1, 2), torch.zeros(1)) == 0
