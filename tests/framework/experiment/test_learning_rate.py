"""The learning-rate finder: as a command, from Python, and before a training, which a resume does not repeat."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from torch import nn

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths
from framework.config import Config
from framework.errors import EmberfieldError, RunDirectoryError
from framework.experiment import Experiment
from framework.run.directory import RunDirectory
from tests.framework.experiment.running import run


def build(num_classes: int, in_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, 4, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, num_classes),
    )


SETTINGS = {"data": "digits", "arch": f"{__name__}:build", "device": "cpu", "precision": "float32", "epochs": 2}
EXPERIMENT = Experiment(
    name="kit",
    networks="architectures",
    defaults=Config().updated(SETTINGS | {"batch_size": 32, "limit_batches": 12, "checkpoint_every": "5"}),
)


def newest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = load_checkpoint(checkpoint_paths(EXPERIMENT.train(folder, resume=True).directory)[0])
    return content


def test_a_rate_that_was_found_is_not_asked_for_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def dies(state: Any) -> None:
        def die() -> None:
            raise ConnectionAbortedError

        state.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=17), die)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    rate = EXPERIMENT.train(whole, lr="find").config.optimization.lr
    assert isinstance(rate, float) and 1e-4 < rate < 10
    assert (whole / "lr_finder.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConnectionAbortedError):
        dataclasses.replace(EXPERIMENT, handlers={"dies": dies}).train(parts, lr="find")
    assert checkpoint_paths(RunDirectory(parts))  # it died in training, not as the rate was looked for
    caplog.set_level("INFO")
    torch.manual_seed(12345)
    assert EXPERIMENT.train(parts, resume=True, lr="find").config.optimization.lr == rate
    assert sum("found in" in message for message in caplog.messages) == 0
    assert first_difference(newest(whole), newest(parts)) is None
    results = EXPERIMENT.train(parts, resume=True).results
    assert results["test_top_5"] >= results["test_accuracy"] and 0 < results["test_macro_f1"] < 1
    assert list(results["test_class_accuracy"]) == list("0123456789")
    with pytest.raises(RunDirectoryError, match="lr was .* and is now 0.5"):
        EXPERIMENT.train(parts, resume=True, lr=0.5)


def test_the_suggestion_is_a_tenth_of_the_rate_with_the_lowest_loss(tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "rates.svg"
    found = EXPERIMENT.find_lr(picture, start=1e-4, steps=40)
    assert "<svg" in picture.read_text()
    assert found.rates[0] == pytest.approx(1e-4 * (10 / 1e-4) ** (1 / 40))
    lowest = found.losses.index(min(found.losses))
    assert 0 < lowest < len(found.losses) - 1 and found.suggestion == found.rates[lowest] / 10
    assert EXPERIMENT.find_lr(picture, start=1e-4, steps=40) == found


def test_a_run_looks_for_a_rate_with_its_own_settings(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"start": 1e-4, "steps": 40}
    run = EXPERIMENT.train(tmp_path / "run", epochs=1, momentum=0.8)
    found = run.find_lr(tmp_path / "a.png", **asked)
    assert found == EXPERIMENT.find_lr(tmp_path / "b.png", momentum=0.8, **asked)
    assert found == run.find_lr(tmp_path / "c.png", momentum=0.8, data="digits", **asked)
    assert found != EXPERIMENT.find_lr(tmp_path / "d.png", **asked)
    other = dataclasses.replace(EXPERIMENT, defaults=Config())
    with pytest.raises(RunDirectoryError, match="test_learning_rate:build', which is not registered: add --arch"):
        other.open_run(run.path).find_lr(**asked)


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    small = ("--data", "digits", "--arch", SETTINGS["arch"], "--no-constraints", "--precision", "float32")
    result = run("find-lr", *small, "--device", "cpu", "--steps", "12", "--start", "0.001", "--out", tmp_path / "a.png")
    assert "suggested learning rate 0." in result.output, result.output
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "muon"}, "muon has two learning rates"),
        ({"out": "rates.gif"}, "the picture rates.gif has to end in .png or .svg"),
        ({"start": 1.0, "end": 0.1}, "the rates go from 1 to 0.1 in 100 steps; they have to rise"),
        ({"steps": 3}, "in 3 steps"),
        ({"start": 1e3, "end": 1e5}, "no rate from 1000 to 100000 can be suggested"),
        ({"lr": "fnd"}, "unknown lr 'fnd', did you mean 'find'"),
    ],
)
def test_what_cannot_be_found_is_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(EmberfieldError, match=message):
        EXPERIMENT.find_lr(**{"out": tmp_path / "rates.png", **settings})


def test_a_loss_that_is_not_finite_ends_the_test(tmp_path: Path) -> None:
    found = EXPERIMENT.find_lr(tmp_path / "rates.png", start=1e-3, end=1e35, steps=40)
    assert len(found.rates) < 40 and found.suggestion < 1e6
