import torch
from torch import nn

from framework.optim.ema import make_ema


def test_the_average_moves_by_its_decay_in_parameters_and_buffers() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = make_ema(model, 0.75, total_steps=100)
    assert average is not None and make_ema(model, None, total_steps=100) is None
    before = [tensor.clone() for tensor in average.module.state_dict().values()]
    average.update_parameters(model)  # the first takes the weights as they are
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(4)
    average.update_parameters(model)
    for old, new in zip(before, average.module.state_dict().values(), strict=True):
        if new.is_floating_point():
            torch.testing.assert_close(new, old + 1)
