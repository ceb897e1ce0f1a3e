"""The settings that come with the recipe."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from architectures import create
from framework.config import differences
from framework.inspection import check
from recipes.s7_cifar import DEFAULTS
from tests.framework.experiment.running import QUICK, ROOT, run

PRESETS = sorted((ROOT / "recipes" / "presets").glob("*.json"))


TEACHERS = {"airbench96"}
"""Presets of networks to distil from, which the recipe's sheet says nothing of."""


@pytest.mark.parametrize("path", [path for path in PRESETS if path.stem not in TEACHERS], ids=lambda path: path.stem)
def test_a_preset_trains_what_the_recipe_demands_with_all_three_transforms(path: Path) -> None:
    config = DEFAULTS.merged_with_file(path)
    assert differences(DEFAULTS, config)
    tighter = config.constraints.max_params or 0  # a preset for a smaller network may declare less, or a device's sizes
    sheet = replace(config.constraints, max_params=199_999, max_ram=None, max_flash=None)
    assert tighter <= 199_999 and sheet == DEFAULTS.constraints
    network = create(config.network.arch, num_classes=10, **config.network.arch_options)
    assert all(finding.holds for finding in check(network, (3, 32, 32), config.constraints))
    transforms = {transform["name"] for transform in config.augmentation.transforms}
    assert transforms >= {"HorizontalFlip", "ShiftScaleRotate", "CoarseDropout"}


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_the_preset_of_a_teacher_keeps_what_it_declares(name: str) -> None:
    config = DEFAULTS.merged_with_file(ROOT / "recipes" / "presets" / f"{name}.json")
    network = create(config.network.arch, num_classes=10, **config.network.arch_options)
    assert all(finding.holds for finding in check(network, (3, 32, 32), config.constraints))


def test_presets_then_file_then_command_line(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"network": {"arch": "c1c2c3c40"}, "training": {"seed": 5}}))
    command = (*QUICK, "--preset", "quick", "--config", tmp_path / "mine.json", "--epochs", "1", "--limit-batches", "2")
    assert run(*command, "--out", tmp_path / "run").exit_code == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (saved["network"]["arch"], saved["training"]["seed"], saved["training"]["epochs"]) == ("c1c2c3c40", 5, 1)
    preset = DEFAULTS.merged_with_file(ROOT / "recipes" / "presets" / "quick.json")
    assert saved["augmentation"]["transforms"] == [dict(t) for t in preset.augmentation.transforms]
    again = run(*command, "--out", tmp_path / "run", "--resume")
    assert again.exit_code == 0 and "is finished" in again.output


def test_an_unknown_preset_is_refused_with_the_valid_ones() -> None:
    result = run("--preset", "quik")
    assert result.exit_code == 2
    valid = ", ".join(path.stem for path in PRESETS)
    assert f"unknown preset 'quik', did you mean 'quick'? Valid: {valid}" in result.output


@pytest.mark.parametrize(("former", "name"), [("clock", "speedrun"), ("record", "best-200k"), ("small", "best-100k")])
def test_a_former_preset_is_answered_by_its_new_name(former: str, name: str) -> None:
    result = run("--preset", former)
    assert result.exit_code == 2
    assert f"preset {former!r} is now called {name!r}" in result.output
