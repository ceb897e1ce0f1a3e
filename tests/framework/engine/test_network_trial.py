import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from framework.distributed import SINGLE_PROCESS
from framework.engine.network_trial import require_trainable_network
from tests.framework.small_training import CPU, make_small_training, small_network


class Draws(nn.Module):
    """A network that draws from every generator."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_network()
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        factor = random.uniform(0.5, 1.5) * np.random.uniform(0.5, 1.5)  # noqa: NPY002
        return self.body(self.norm(x * factor))


def generators() -> list[object]:
    return [random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()]  # noqa: NPY002


def test_neither_the_network_nor_a_generator_is_changed(tmp_path: Path) -> None:
    training, network = make_small_training(tmp_path / "run"), Draws().eval()
    before, weights = generators(), {name: value.clone() for name, value in network.state_dict().items()}
    require_trainable_network(network, training.config, training.images, CPU, SINGLE_PROCESS)
    assert generators() == before
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert not network.training and all(parameter.grad is None for parameter in network.parameters())


def test_it_is_tried_with_the_operators_that_it_trains_with(tmp_path: Path) -> None:
    """By itself, oneDNN can crash at the gradient of this convolution."""
    strides = []

    class Strided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Conv2d(1, 8, 1), nn.Conv2d(8, 10, 1, 2)])

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            if x.grad_fn is not None:
                strides.append(x.grad_fn._saved_stride)
            return x.mean((2, 3))

    training = make_small_training(tmp_path / "run", precision="float32")
    require_trainable_network(Strided(), training.config, training.images, CPU, SINGLE_PROCESS)
    assert set(strides) == {(1, 1)}
