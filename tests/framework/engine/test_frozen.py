"""Frozen layers: no bit of them changes, a resume goes on without one either, and wrong names are refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from framework.engine.frozen import freeze
from framework.errors import EmberfieldError
from tests.framework.engine.test_training import assert_equal_states, interrupted
from tests.framework.small_training import SmallTraining, make_small_training

FROZEN = ["0", "1"]
SETTINGS = {"freeze": tuple(FROZEN), "epochs": 2, "checkpoint_every": "3"}


def network() -> nn.Module:
    layers = [nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8)]
    made = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    freeze(made, FROZEN)
    return made


def frozen_training(folder: Path, **changes: object) -> SmallTraining:
    return make_small_training(folder, network, **{**SETTINGS, **changes})


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_no_bit_of_a_frozen_layer_changes_and_the_others_learn(tmp_path: Path, optimizer: str) -> None:
    training = frozen_training(tmp_path / "run", optimizer=optimizer)
    before = {name: tensor.clone() for name, tensor in training.state.model.state_dict().items()}
    training.run()
    for state in (training.state.model.state_dict(), training.state.evaluated.state_dict()):
        for name, tensor in before.items():
            assert torch.equal(state[name], tensor) == (name.split(".")[0] in FROZEN), name


def test_resume_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = frozen_training(tmp_path / "whole")
    whole.run()
    parts = interrupted(tmp_path / "parts", at_epoch=1, network=network, **SETTINGS)
    assert_equal_states(whole.state.state_dict(), parts.state.state_dict())


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("hed", "unknown layer 'hed', did you mean 'head'? Valid: body, head, and the layers in them, as in body.0"),
        ("stem.*", "unknown layer 'stem.*'. Valid: body, head"),
    ],
)
def test_wrong_names_are_refused_with_the_valid_ones(pattern: str, message: str) -> None:
    made = nn.ModuleDict({"body": nn.Sequential(nn.Linear(2, 2)), "head": nn.Linear(2, 2)})
    with pytest.raises(EmberfieldError) as refused:
        freeze(made, ("body", pattern))
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_pattern_takes_all_layers_that_it_matches() -> None:
    made = nn.ModuleDict(
        {"a1": nn.Linear(2, 2), "a2": nn.Sequential(nn.Dropout(), nn.Linear(2, 2)), "b": nn.Linear(2, 2)}
    )
    freeze(made, ("a*",))
    assert [name for name, p in made.named_parameters() if p.requires_grad] == ["b.weight", "b.bias"]
    assert [name for name, layer in made.named_modules() if layer.training] == ["", "b"]
