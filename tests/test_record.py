"""The record's runs that are kept in docs, for anybody to go on with, to test again or to have them teach."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from architectures import create, pretrained_weights
from framework.checkpoint.file_format import load_checkpoint, load_weights
from framework.checkpoint.loaded_model import restore
from framework.config.config import Config, differences
from framework.inspection import parameter_count
from framework.run.directory import RunDirectory
from recipes.s7_cifar import DEFAULTS
from tests.framework.experiment.running import run_killed_after

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "record"

RUNS = {0: FOLDER} | {seed: FOLDER.with_name(f"record-{seed}") for seed in (1, 2)}
"""Of the second generation, by their seeds."""

THIRD = {seed: FOLDER.with_name(f"third-{seed}") for seed in (0, 1)}
"""Of the next one, by their seeds; taught by those above."""

GPU = FOLDER.with_name("gpu")
"""What is kept of the runs on a GPU, by name and seed; long is the fourth generation, gated the fifth."""

PRESETS = FOLDER.parents[1] / "recipes" / "presets"


def newest(run: RunDirectory) -> Path:
    """Its only checkpoint."""
    (path,) = run.checkpoints.iterdir()
    return path


def one_step_on(folder: Path, tmp_path: Path, data: Path, *more: str) -> dict[str, Any]:
    """The checkpoint after the next step of a copy of a run, whose process is killed there."""
    step = int(newest(RunDirectory(folder)).stem.removeprefix("step-")) + 1
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    where = ("--data", str(data), "--out", str(copy), "--resume", "--checkpoint-every", "1")
    assert run_killed_after(step, *where, *more) == -9
    checkpoint = load_checkpoint(copy / "checkpoints" / f"step-{step:09}.pt")
    assert checkpoint["iteration"] == step
    return checkpoint


def small_and_whole(folder: Path) -> tuple[Config, dict[str, Any]]:
    """A run's settings, without a place on a machine, and its checkpoint, whose weights are seen to fit its network."""
    run = RunDirectory(folder)
    config, path = Config().merged_with_file(run.config), newest(run)
    assert not Path(config.data.data or "").is_absolute()
    assert path.stat().st_size < 3_000_000
    checkpoint = load_checkpoint(path)
    load_weights(create(config.network.arch, **config.network.arch_options), checkpoint["model"], path.name)
    return config, checkpoint


@pytest.mark.parametrize("seed", RUNS)
def test_its_checkpoint_is_small_whole_and_at_its_end(seed: int) -> None:
    config, checkpoint = small_and_whole(RUNS[seed])
    assert len(checkpoint["history"]) == config.training.epochs


def test_its_teacher_is_another_network_of_its_kind() -> None:
    run = RunDirectory(FOLDER)
    teacher, taught = (restore(path, torch.device("cpu")) for path in (run.teacher(1), FOLDER))
    assert teacher.description.arch == taught.description.arch
    trained = taught.network.state_dict()
    assert not all(torch.equal(trained[name], value) for name, value in teacher.network.state_dict().items())


@pytest.mark.parametrize("seed", [1, 2])
def test_the_run_of_another_seed_is_as_the_first_but_for_its_seed(seed: int) -> None:
    run = RunDirectory(RUNS[seed])
    first, other = (Config().merged_with_file(each.config) for each in (RunDirectory(FOLDER), run))
    # The teacher goes by another name, its weights are compared below.
    others = [line for line in differences(first, other) if not line.startswith("teacher was")]
    assert others == [f"seed was 0 and is now {seed}"]
    assert run.teacher(1).read_bytes() == RunDirectory(FOLDER).teacher(1).read_bytes()


def test_each_run_ended_with_another_network_which_can_teach() -> None:
    """With the names that the next generation is given."""
    networks = [restore(path, torch.device("cpu")).network.state_dict() for path in RUNS.values()]
    for one, other in itertools.combinations(networks, 2):
        assert not any(torch.equal(one[name], other[name]) for name in one if name.endswith("weight"))


@pytest.mark.parametrize("seed", RUNS)
def test_it_can_be_gone_on_with(seed: int, cifar10_folder: Path, tmp_path: Path) -> None:
    assert one_step_on(RUNS[seed], tmp_path, cifar10_folder, "--epochs", "160")["cycles"] == [0, 31_200]


@pytest.mark.parametrize("seed", THIRD)
def test_a_run_of_the_third_generation_is_small_whole_and_at_its_end(seed: int) -> None:
    config, checkpoint = small_and_whole(THIRD[seed])
    assert len(checkpoint["history"]) == config.training.epochs == 120
    assert json.loads(RunDirectory(THIRD[seed]).results.read_text())["seed"] == config.training.seed == seed


def test_the_runs_of_the_third_generation_differ_in_their_seed_only() -> None:
    first, second = (Config().merged_with_file(RunDirectory(folder).config) for folder in THIRD.values())
    assert differences(first, second) == ["seed was 0 and is now 1"]


def test_the_settings_of_the_teacher_on_a_gpu_are_those_that_ran() -> None:
    given, ran = (Config().merged_with_file(GPU / name) for name in ("teacher.json", "teacher/config.json"))
    changed = {line.split()[0] for line in differences(DEFAULTS.merged_with_file(GPU / "teacher.json"), ran)}
    assert changed == {"val_size", "epochs", "precision"}
    results = json.loads((GPU / "teacher" / "results.json").read_text())
    assert parameter_count(create(given.network.arch, **given.network.arch_options)) == results["parameters"]


@pytest.mark.parametrize("name", ["dihedral", "long", "small", "gated", "gated-small"])
def test_the_runs_on_a_gpu_differ_in_their_seed_only(name: str) -> None:
    first, *others = (Config().merged_with_file(GPU / f"{name}-{seed}" / "config.json") for seed in range(3))
    for seed, other in enumerate(others, start=1):
        assert differences(first, other) == [f"seed was 0 and is now {seed}"]


@pytest.mark.parametrize(
    ("name", "arch"),
    [
        ("dihedral", "c1c2c3c40_dihedral"),
        ("long", "c1c2c3c40_mirror"),
        ("small", "c1c2c3c40_mirror_small"),
        ("gated", "c1c2c3c40_gated_mirror"),
        ("gated-small", "c1c2c3c40_gated_mirror_small"),
    ],
)
def test_each_run_on_a_gpu_ended_with_a_small_network_of_its_own(name: str, arch: str) -> None:
    paths = [GPU / f"{name}-{seed}" / "network.pt" for seed in range(3)]
    assert all(path.stat().st_size < 1_000_000 for path in paths)
    networks = [restore(path, torch.device("cpu")) for path in paths]
    assert {network.description.arch for network in networks} == {arch}
    for one, other in itertools.combinations([network.network.state_dict() for network in networks], 2):
        assert not any(torch.equal(one[name], other[name]) for name in one if name.endswith("weight"))


@pytest.mark.parametrize("name", ["long", "small", "gated", "gated-small"])
def test_the_published_weights_are_those_of_the_first_seed(name: str) -> None:
    run = restore(GPU / f"{name}-0" / "network.pt", torch.device("cpu"))
    published = pretrained_weights(run.description.arch)
    assert published.description["arch_options"] == run.description.arch_options
    trained = run.network.state_dict()
    assert published.tensors.keys() == trained.keys()
    assert all(torch.equal(published.tensors[name], value) for name, value in trained.items())


@pytest.mark.parametrize(("name", "preset"), [("gated", "record"), ("gated-small", "small")])
def test_a_preset_is_the_recipe_that_ran_but_for_its_teachers_and_machine(name: str, preset: str) -> None:
    settings = DEFAULTS.merged_with_file(PRESETS / f"{preset}.json")
    ran = Config().merged_with_file(GPU / f"{name}-0" / "config.json")
    changed = {line.split()[0] for line in differences(settings, ran)}
    assert changed - {"arch_options"} == {"val_size", "teacher", "precision", "compile"}
    by_preset, by_run = (create(each.network.arch, **each.network.arch_options) for each in (settings, ran))
    assert str(by_preset) == str(by_run)
