"""The record's run that is kept in docs/record, for anybody to go on with."""

from pathlib import Path

import torch

from architectures import create, pretrained_weights
from framework.checkpoint import load_checkpoint, load_weights
from framework.config import Config
from framework.run_directory import RunDirectory

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
