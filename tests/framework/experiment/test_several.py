"""Several runs of one experiment: a directory each, killed between and within runs, and the table at the end."""

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ignite.engine import Events
from torch import nn

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths
from framework.config import Config
from framework.errors import EmberfieldError, RunDirectoryError
from framework.experiment import Experiment
from framework.report.comparison import choice, rows, summarize
from tests.framework.experiment.running import snapshot


def build(num_classes: int, in_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 4, 3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(256, num_classes)
    )


SETTINGS = {"data": "digits", "arch": f"{__name__}:build", "device": "cpu", "precision": "float32", "epochs": 2}
EXPERIMENT = Experiment(
    name="tiny",
    networks="architectures",
    defaults=Config().updated(SETTINGS | {"batch_size": 32, "limit_batches": 3, "workers": 0}),
    variants={"slow": {"lr": 0.001}, "fast": {"lr": 0.2}},
)
NAMES = ["slow-seed-0", "slow-seed-5", "slow-seed-6"]


def dies_in(run: int, step: int) -> Experiment:
    """The experiment, whose run of this number, from 1 on, dies after so many steps."""
    begun = []

    def dies(state: Any) -> None:
        def die() -> None:
            raise ConnectionAbortedError

        begun.append(state)
        if len(begun) == run:
            state.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=step), die)

    return dataclasses.replace(EXPERIMENT, handlers={"dies": dies})


def newest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = load_checkpoint(checkpoint_paths(EXPERIMENT.open_run(folder).directory)[0])
    return content


def test_several_runs_that_die_within_and_between_runs_end_as_if_left_alone(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    several = EXPERIMENT.train_all(whole, seeds=[0, 5, 6], variants=["slow"])
    assert [run.path.name for run in several.runs] == NAMES and list(several.variants) == ["slow"]
    with pytest.raises(ConnectionAbortedError):
        dies_in(2, 4).train_all(parts, seeds=[0, 5, 6], variants=["slow"])  # in the second epoch
    first = snapshot(parts / NAMES[0])
    with pytest.raises(ConnectionAbortedError):
        dies_in(2, 1).train_all(parts, resume=True)  # before a checkpoint of the third run
    assert snapshot(parts / NAMES[0]) == first and not (parts / "results.json").exists()
    EXPERIMENT.train_all(parts, resume=True)
    for name in NAMES:
        assert first_difference(newest(whole / name), newest(parts / name)) is None
        assert EXPERIMENT.open_run(parts / name).config == EXPERIMENT.open_run(whole / name).config
    results = json.loads((parts / "results.json").read_text())
    for figure in (results, several.results):
        for line in figure["variants"].values():
            line.pop("training_seconds")
    assert results == several.results | {"variants": results["variants"]}
    tests = [EXPERIMENT.open_run(whole / name).results["test_accuracy"] for name in NAMES]
    slow = results["variants"]["slow"]["test_accuracy"]
    assert slow == {"mean": statistics.fmean(tests), "deviation": statistics.stdev(tests)}

    added = EXPERIMENT.train_all(parts, seeds=[0], variants="all", resume=True)
    assert [run.path.name for run in added.runs] == [*NAMES, "fast-seed-0"]
    with pytest.raises(RunDirectoryError, match="cannot add .*fast-seed-2 .* epochs was 2 and is now 1"):
        EXPERIMENT.train_all(parts, seeds=[2], variants=["fast"], resume=True, epochs=1)
    with pytest.raises(RunDirectoryError, match="cannot resume .*slow-seed-0: batch_size was 32 and is now 8"):
        EXPERIMENT.train_all(parts, resume=True, batch_size=8)
    with pytest.raises(RunDirectoryError, match="is not empty: add --resume"):
        EXPERIMENT.train_all(parts, seeds=[0])


def test_the_command_trains_several_and_goes_on_without_their_names(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(
            EXPERIMENT.command_line(), ["train", "--epochs", "1", "--limit-batches", "1", *words]
        )
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result.output

    out = str(tmp_path / "runs")
    first = run("--seeds", "3,4", "--out", out)
    assert first.splitlines()[-3].startswith("tiny     2     2,686")
    assert {path.name for path in Path(out).iterdir()} == {"seed-3", "seed-4", "results.json", "runs.json"}
    assert run("--out", out, "--resume").count("is finished") == 2
    for words, message in (
        (("--seeds", "1,x"), "--seeds 1,x: it takes whole numbers"),
        (("--seeds", "-1"), "seed -1 is negative"),
        (("--seeds", "1", "--seed", "2"), "--seed 2 beside several runs"),
        (("--variants", "slow,fsat"), "unknown variant 'fsat'"),
        (("--variants", "slow", "--variant", "fast"), "--variant fast beside several runs"),
    ):
        assert f"error: {message}" in run(*words, "--out", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def result(seed: int, validation: float | None, test: float, exact: bool = True) -> dict[str, Any]:
    figures = {"validation_accuracy": validation, "test_accuracy": test, "training_seconds": 10.0}
    return {"seed": seed, "parameters": 1200, "exact": exact, **figures}


def test_the_best_variant_is_chosen_on_validation() -> None:
    summary = summarize({"a": [result(0, 0.5, 0.9), result(1, 0.6, 0.92)], "b": [result(0, 0.7, 0.3, exact=False)]})
    assert choice(summary) == "Best on validation: b, test accuracy 30.00 %."
    assert rows(summary) == [
        ("a", "2", "1,200", "55.00 ± 7.07 %", "91.00 ± 1.41 %", "10", "yes"),
        ("b", "1", "1,200", "70.00 %", "30.00 %", "10", "no"),
    ]
    assert summarize({"a": [result(0, None, 0.9)], "b": [result(0, 0.7, 0.3)]})["best"] is None


def test_one_run_of_an_experiment_without_variants_is_refused_as_all() -> None:
    with pytest.raises(EmberfieldError, match="has no variants"):
        dataclasses.replace(EXPERIMENT, variants={}).train_all("nowhere", variants="all")
