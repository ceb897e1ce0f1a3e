import torch
from torch import nn

from framework.optim.gradients import gradient_norm


def test_gradients_are_measured_and_clipped() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.grad = torch.tensor([[3.0, 4.0]])
    assert gradient_norm(list(layer.parameters()), None).item() == 5
    assert layer.weight.grad.tolist() == [[3.0, 4.0]]
    assert gradient_norm(list(layer.parameters()), 1.0).item() == 5
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[0.6, 0.8]]))
