"""Training in simulated int8: it resumes to the bit, regains accuracy, and refuses what it cannot simulate."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from framework.checkpoint.comparison import first_difference
from framework.distributed import ProcessGroup
from framework.engine.int8 import add_ranges
from framework.errors import EmberfieldError
from framework.ops.fake_quantize import RANGES
from tests.framework.engine.test_training import assert_equal_states, interrupted
from tests.framework.small_training import make_small_training, small_network

INT8 = {"int8": True, "epochs": 3, "checkpoint_every": "3"}


def test_resume_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = make_small_training(tmp_path / "whole", **INT8)
    whole.run()
    for network in (whole.state.model, whole.state.evaluated):
        ranges = network.get_buffer(RANGES)
        assert ranges.isfinite().all() and (ranges[:, 0] < ranges[:, 1]).all()
    parts = interrupted(tmp_path / "parts", 1, **INT8)
    assert_equal_states(whole.state.state_dict(), parts.state.state_dict())


def test_a_resume_without_the_ranges_is_found_out(tmp_path: Path) -> None:
    whole, lost = (make_small_training(tmp_path / "run", **INT8 | {"epochs": epochs}) for epochs in (2, 3))
    whole.run()
    kept = make_small_training(tmp_path / "run", **INT8)
    for training in (kept, lost):
        training.resume()
    lost.state.model.get_buffer(RANGES).fill_(torch.inf)
    for training in (kept, lost):
        training.run()
    assert "int8_ranges" in str(first_difference(kept.state.state_dict()["model"], lost.state.state_dict()["model"]))


def test_a_network_that_int8_spoils_regains_its_accuracy(tmp_path: Path) -> None:
    """One channel is made much larger than the others, which changes nothing in float32."""
    plain = {"optimizer": "adamw", "ema_decay": None}
    trained = make_small_training(tmp_path / "float32", without_norm, epochs=12, lr=0.01, **plain)
    trained.run()
    spoilt = trained.state.model
    spoilt.get_parameter("0.weight").data[0] *= 1000
    spoilt.get_parameter("0.bias").data[0] *= 1000
    spoilt.get_parameter("2.weight").data[:, 0] /= 1000
    accuracies = {}
    for lr, epochs in ((1e-12, 1), (1e-3, 6)):
        settings = plain | {"int8": True, "lr": lr, "epochs": epochs}
        tuned = make_small_training(tmp_path / str(lr), lambda: copy.deepcopy(spoilt), **settings)
        tuned.run()
        accuracies[lr] = tuned.logged[-1]["val_accuracy"]
    assert trained.logged[-1]["val_accuracy"] > 0.8 > 0.65 > accuracies[1e-12] < accuracies[1e-3] - 0.1


def without_norm() -> nn.Module:
    layers = (nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.AvgPool2d(3), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(64, 10))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "bfloat16"}, "--int8 cannot go with --precision bfloat16"),
        ({"compile": True}, "--int8 cannot go with --compile"),
    ],
)
def test_what_cannot_go_with_it_is_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(EmberfieldError) as refused:
        make_small_training(tmp_path / "run", **INT8 | settings)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_several_processes_are_refused(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", int8=True)
    with pytest.raises(EmberfieldError, match="--int8 cannot go with 2 processes"):
        add_ranges(small_network(), training.config, training.state.metadata, ProcessGroup(0, 2))


class Auxiliary(nn.Module):
    """A head more in training."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.other = small_network(), nn.Linear(10, 10), nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x)
        logits: Tensor = self.head(features)
        return logits + self.other(features) if self.training else logits


def test_a_network_of_other_operators_in_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmberfieldError, match="rounds 13 activations in training and 10 in evaluation"):
        make_small_training(tmp_path / "run", Auxiliary, int8=True)
