"""A sweep that is killed within a trial, and between two, ends with the trials of one that was left alone."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from framework.run.directory import RunDirectory
from tests.reliability.processes import TRAIN, At, digest, finish, said

pytestmark = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="the extra sweep is not installed")
SPACE = {"lr": {"min": 1e-3, "max": 1.0, "log": True}, "momentum": [0.0, 0.9], "batch_size": {"min": 8, "max": 32}}
SWEEP = ("sweep", *TRAIN[: TRAIN.index("--batch-size")], "--limit-batches", "4", "--epochs", "1", "--val-size", "150",
         "--augment-on", "cpu", "--checkpoint-every", "1", "--trials", "3", "--space", json.dumps(SPACE))  # fmt: skip


def spoil_the_suggestions() -> None:
    """Draws each trial from where the process happens to be."""
    from framework.experiment import sweep

    sweep.torch_seed = lambda seed, purpose, step=0: hash(object())  # type: ignore[assignment]


def stop_in_the_second_trial() -> None:
    """Dies when the second trial has its first checkpoint."""
    from framework.checkpoint import manager

    real = manager.write_checkpoint

    def write(run: RunDirectory, *content: Any) -> Path:
        path = real(run, *content)
        if run.path.name == "trial-001":
            os.kill(os.getpid(), 9)
        return path

    manager.write_checkpoint = write


def figures(folder: Path) -> dict[str, object]:
    """Everything that a sweep leaves: what it says of its trials, and all bits of each."""
    results = json.loads((folder / "results.json").read_text())
    return {"trials": results["trials"], **{path.name: digest(path) for path in sorted(folder.glob("trial-*"))}}


def test_kills_within_and_between_trials_change_nothing(tmp_path: Path) -> None:
    whole, parts, spoilt = tmp_path / "whole", tmp_path / "parts", tmp_path / "spoilt"
    assert finish(whole, train=SWEEP) == 0, said(whole)
    assert finish(parts, train=SWEEP, prepare=f"{__name__}:stop_in_the_second_trial") == -9, said(parts)
    assert not (parts / "trial-001" / "results.json").exists() and any((parts / "trial-001" / "checkpoints").iterdir())
    assert finish(parts, train=SWEEP, at=At("framework.experiment.sweep:record", 1, "before")) == -9, said(parts)
    assert (parts / "trial-001" / "results.json").exists() and not (parts / "trial-002").exists()
    assert finish(parts, train=SWEEP) == 0, said(parts)
    assert len(figures(whole)) == 4
    assert figures(parts) == figures(whole)
    assert finish(spoilt, train=SWEEP, prepare=f"{__name__}:spoil_the_suggestions") == 0, said(spoilt)
    assert figures(spoilt) != figures(whole)  # the control
