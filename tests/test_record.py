"""The record's runs that are kept in docs, for anybody to go on with, to test again or to have them teach."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from architectures import create, pretrained_weights
from framework.checkpoint import load_checkpoint, load_weights
from framework.config import Config, differences
from framework.inspection import parameter_count
from framework.run_directory import RunDirectory
from recipes.restoring import restore
from recipes.s7_cifar import DEFAULTS
from tests.recipes.running import run_killed_after

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "record"

RUNS = {0: FOLDER} | {seed: FOLDER.with_name(f"record-{seed}") for seed in (1, 2)}
"""By their seeds; the weights of the first are published."""

THIRD = {seed: FOLDER.with_name(f"third-{seed}") for seed in (0, 1)}
"""Of the next generation, by their seeds; taught by those above."""

GPU = FOLDER.with_name("gpu")
"""What is kept of the runs on a GPU."""


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


def test_its_checkpoint_is_small_whole_and_ends_in_the_published_weights() -> None:
    run = RunDirectory(FOLDER)
    config = Config().merged_with_file(run.config)
    path = newest(run)
    assert path.stat().st_size < 3_000_000
    checkpoint = load_checkpoint(path)
    assert len(checkpoint["history"]) == config.training.epochs
    load_weights(create(config.network.arch, **config.network.arch_options), checkpoint["model"], path.name)
    published = pretrained_weights(config.network.arch).tensors
    assert published.keys() == checkpoint["model"].keys()
    assert all(torch.equal(published[name], value) for name, value in checkpoint["model"].items())


def test_its_teacher_is_another_network_of_its_kind() -> None:
    run = RunDirectory(FOLDER)
    arch = Config().merged_with_file(run.config).network.arch
    teacher, taught = restore(run.teacher(1), torch.device("cpu")), pretrained_weights(arch).tensors
    assert teacher.description.arch == arch
    assert not all(torch.equal(taught[name], value) for name, value in teacher.network.state_dict().items())


@pytest.mark.parametrize("seed", [1, 2])
def test_the_run_of_another_seed_is_small_whole_and_as_the_first_but_for_its_seed(seed: int) -> None:
    run = RunDirectory(RUNS[seed])
    first, other = (Config().merged_with_file(each.config) for each in (RunDirectory(FOLDER), run))
    # The teacher goes by another name, its weights are compared below.
    others = [line for line in differences(first, other) if not line.startswith("teacher was")]
    assert others == [f"seed was 0 and is now {seed}"]
    path = newest(run)
    assert path.stat().st_size < 3_000_000
    assert len(load_checkpoint(path)["history"]) == other.training.epochs
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
    run = RunDirectory(THIRD[seed])
    config = Config().merged_with_file(run.config)
    path = newest(run)
    assert path.stat().st_size < 3_000_000
    checkpoint = load_checkpoint(path)
    assert len(checkpoint["history"]) == config.training.epochs == 120
    load_weights(create(config.network.arch, **config.network.arch_options), checkpoint["model"], path.name)
    assert json.loads(run.results.read_text())["seed"] == config.training.seed == seed


def test_the_runs_of_the_third_generation_differ_in_their_seed_only() -> None:
    first, second = (Config().merged_with_file(RunDirectory(folder).config) for folder in THIRD.values())
    assert differences(first, second) == ["seed was 0 and is now 1"]


def test_the_settings_of_the_teacher_on_a_gpu_are_those_that_ran() -> None:
    given, ran = (Config().merged_with_file(GPU / name) for name in ("teacher.json", "teacher/config.json"))
    changed = {line.split()[0] for line in differences(DEFAULTS.merged_with_file(GPU / "teacher.json"), ran)}
    assert changed == {"holdout", "epochs", "precision"}
    results = json.loads((GPU / "teacher" / "results.json").read_text())
    assert parameter_count(create(given.network.arch, **given.network.arch_options)) == results["parameters"]


def test_the_runs_on_a_gpu_differ_in_their_seed_only() -> None:
    first, *others = (Config().merged_with_file(GPU / f"dihedral-{seed}" / "config.json") for seed in range(3))
    for seed, other in enumerate(others, start=1):
        assert differences(first, other) == [f"seed was 0 and is now {seed}"]


def test_each_run_on_a_gpu_ended_with_a_small_network_of_its_own() -> None:
    paths = [GPU / f"dihedral-{seed}" / "network.pt" for seed in range(3)]
    assert all(path.stat().st_size < 1_000_000 for path in paths)
    networks = [restore(path, torch.device("cpu")) for path in paths]
    assert {network.description.arch for network in networks} == {"c1c2c3c40_dihedral"}
    for one, other in itertools.combinations([network.network.state_dict() for network in networks], 2):
        assert not any(torch.equal(one[name], other[name]) for name in one if name.endswith("weight"))
