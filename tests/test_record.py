"""The record's run that is kept in docs/record, for anybody to go on with."""

import shutil
from pathlib import Path

import torch

from architectures import create, pretrained_weights
from framework.checkpoint import load_checkpoint, load_weights
from framework.config import Config
from framework.run_directory import RunDirectory
from recipes.restoring import restore
from tests.recipes.running import run_killed_after

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "record"


def test_its_checkpoint_is_small_whole_and_ends_in_the_published_weights() -> None:
    run = RunDirectory(FOLDER)
    config = Config().merged_with_file(run.config)
    (path,) = run.checkpoints.iterdir()
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


def test_it_can_be_gone_on_with(cifar10_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "record")
    more = ("--resume", "--epochs", "160", "--checkpoint-every", "1")
    assert run_killed_after(31_201, "--data", str(cifar10_folder), "--out", str(tmp_path / "record"), *more) == -9
    assert load_checkpoint(tmp_path / "record" / "checkpoints" / "step-000031201.pt")["cycles"] == [0, 31_200]
