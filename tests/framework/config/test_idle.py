"""Settings that another one makes idle: each of them with each choice, and that no other is made idle."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from framework.config import Config, OptimizationConfig
from framework.config.config import walk
from framework.config.idle import NOT_WITH, ONLY_WITH, require_used, require_used_defaults, why_idle
from framework.errors import DataError, EmberfieldError
from framework.optim.optimizers import make_optimizer
from framework.optim.schedules import Plateau, make_schedule
from recipes.s7_cifar import EXPERIMENT
from tests.framework.experiment.running import run

PLAIN = {name: value for _, name, value in walk(Config())}
GIVEN = {**PLAIN, "muon_weight_decay": 0.1, "workers": 1, "patience": 2, "teacher_arch": ["a:b"]}
"""A value for each setting: its default wherever that can be given."""

ON = {"mixup": 0.5, "teacher": "c1c2c3c40", "val_size": 100, "patience": 2}
"""Values that the settings of NOT_WITH have an effect with."""

DECLARED = {item.name: (section.name, item) for section in dataclasses.fields(Config)
            for item in dataclasses.fields(section.default_factory)}  # type: ignore[arg-type]  # fmt: skip
CASES = [
    (name, other, choice, choice in allowed)
    for name, conditions in ONLY_WITH.items()
    for other, allowed in conditions.items()
    for choice in DECLARED[other][1].metadata["choices"]
] + [
    (name, other, value, used)
    for name, conditions in NOT_WITH.items()
    for other, off in conditions.items()
    for value, used in ((off, False), (ON[other], True))
]


def option(name: str, value: object) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value)
    return [] if value is None else [f"--{name.replace('_', '-')}", text]


@pytest.mark.parametrize(("name", "other", "choice", "used"), CASES)
def test_a_setting_is_refused_where_it_has_no_effect(
    tmp_path: Path, name: str, other: str, choice: Any, used: bool
) -> None:
    """On the command line, where data that is not there is what ends it else, in a file, and in Python."""
    bare = dataclasses.replace(EXPERIMENT, defaults=Config())  # the recipe has a patience
    changes = {name: tuple(GIVEN[name]) if name == "teacher_arch" else GIVEN[name], other: choice}
    if other == "teacher" and choice is not None:
        changes[other] = (choice,)
    words = ["--data", str(tmp_path / "none"), *option(name, GIVEN[name]), *option(other, choice)]
    result = CliRunner().invoke(bare.command_line(), words)
    assert result.exit_code == (DataError if used else EmberfieldError).exit_code, result.output
    sections: dict[str, dict[str, Any]] = {}
    for setting, value in ((name, GIVEN[name]), (other, choice)):
        sections.setdefault(DECLARED[setting][0], {})[setting] = value
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(sections))
    if used:
        assert bare.settings(changes) == bare.settings({}, files=[file])
        return
    (said,) = result.stderr.splitlines()
    assert said.startswith(f"error: {name} has no effect: {other} is ")
    for given in ({"changes": changes}, {"changes": {}, "files": [file]}):
        with pytest.raises(EmberfieldError, match=f"^{name} has no effect: {other} is .*; leave it out$"):
            bare.settings(**given)


def test_what_was_not_given_may_be_idle(tmp_path: Path) -> None:
    """The settings of a recipe, of a run's config.json, and of a file for a choice that is made elsewhere."""
    config = EXPERIMENT.settings({"schedule": "step"})
    assert config.optimization.warmup == 0.25
    whole, cuts, steps = tmp_path / "config.json", tmp_path / "cuts.json", tmp_path / "steps.json"
    whole.write_text(config.to_json())
    assert EXPERIMENT.settings({}, files=[whole]) == config
    cuts.write_text('{"optimization": {"lr_epochs": 3}}')
    assert EXPERIMENT.settings({"schedule": "step"}, files=[cuts]).optimization.lr_epochs == 3
    steps.write_text('{"optimization": {"schedule": "step", "lr_epochs": 3}}')
    assert EXPERIMENT.settings({"schedule": "constant"}, files=[steps]).optimization.lr_epochs == 3
    with pytest.raises(EmberfieldError, match="lr_epochs has no effect: schedule is 'one_cycle', and it is for step"):
        require_used(Config(), [cuts], {})


def test_a_recipe_that_declares_an_idle_setting_is_refused(tmp_path: Path) -> None:
    wrong = Config(optimization=OptimizationConfig(schedule="step", warmup=0.3))
    with pytest.raises(EmberfieldError, match="the recipe's warmup has no effect: schedule is 'step'"):
        require_used_defaults(wrong)
    with pytest.raises(EmberfieldError, match="the recipe's warmup"):
        dataclasses.replace(EXPERIMENT, defaults=wrong).train(tmp_path / "run")


OTHER = {"warmup": 0.5, "lr_start_share": 0.5, "lr_end_share": 0.3, "lr_factor": 0.25, "lr_epochs": 2,
         "plateau_metric": "accuracy", "momentum": 0.5, "weight_decay": 0.1, "muon_lr": 0.5,
         "muon_weight_decay": 0.3, "lr": 0.7}  # fmt: skip
BASE = OptimizationConfig(lr=0.8, lr_epochs=1, lr_factor=0.5, lr_end_share=0.2)


def rates(config: OptimizationConfig) -> list[float]:
    """Of six epochs of two steps, whose loss gets worse and whose accuracy gets better."""
    schedule = make_schedule(make_optimizer(nn.Linear(1, 1), config), 12, config, 2)
    found, history = [], []
    for step in range(12):
        found.append(schedule.get_last_lr()[0])
        schedule.optimizer._opt_called = True  # type: ignore[attr-defined]  # else the schedule warns
        schedule.step()
        if step % 2:
            history.append({"val_loss": float(step), "val_accuracy": float(step)})
            if isinstance(plateau := schedule.lr_lambdas[0], Plateau):
                plateau.follow(history, schedule)
    return found


def weights(config: OptimizationConfig) -> list[float]:
    """After two steps of a convolution and a norm."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    optimizer = make_optimizer(network, config)
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.randn(4, 2, 5, 5)).pow(3).sum().backward()
        optimizer.step()
    return [value for parameter in network.parameters() for value in parameter.detach().flatten().tolist()]


@pytest.mark.parametrize(("chooser", "computed"), [("schedule", rates), ("optimizer", weights)])
def test_the_table_has_what_really_has_no_effect(chooser: str, computed: Any) -> None:
    choices = DECLARED[chooser][1].metadata["choices"]
    for name, value in OTHER.items():
        changed = {
            choice
            for choice in choices
            if computed(dataclasses.replace(BASE, **{chooser: choice}))
            != computed(dataclasses.replace(BASE, **{chooser: choice, name: value}))
        }
        used = {choice for choice in choices if why_idle(Config().updated({chooser: choice}), name) is None}
        conditional = chooser in ONLY_WITH.get(name, {})
        assert changed == used if conditional else changed in (set(), set(choices)), (name, changed)
    assert {name for name, conditions in ONLY_WITH.items() if chooser in conditions} <= OTHER.keys()


def test_the_command_of_a_recipe_refuses_in_one_line() -> None:
    result = run("--data", "digits", "--schedule", "step", "--warmup", "0.3")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: warmup has no effect: schedule is 'step', and it is for one_cycle and cosine alone; leave it out\n"
    )
