"""The record's run that is kept in docs/record, for anybody to go on with."""

from pathlib import Path

import torch

from architectures import create, pretrained_weights
from framework.checkpoint import load_checkpoint, load_weights
from framework.config import Config
from framework.run_directory import RunDirectory
from recipes.restoring import restore

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


def test_its_teacher_is_there_to_go_on_with() -> None:
    run = RunDirectory(FOLDER)
    teacher = restore(run.teacher, torch.device("cpu")).network
    taught = pretrained_weights("c1c2c3c40_mirror").tensors
    assert teacher.state_dict().keys() == taught.keys()
    assert not all(torch.equal(taught[name], value) for name, value in teacher.state_dict().items())
