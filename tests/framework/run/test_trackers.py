"""Figures in MLflow and Weights & Biases, without a network: a resume goes on there, and a failure stops nothing."""

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Events

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths
from framework.errors import DeviceError
from framework.experiment import Run
from framework.run import trackers
from framework.run.directory import RunDirectory
from framework.run.trackers import Tracker
from tests.framework.experiment.running import run
from tests.framework.experiment.test_python import process_state
from tests.framework.experiment.test_several import MINE
from tests.framework.run.test_logs import RECORDS

FIGURES = {"loss", "accuracy", "lr", "seconds", "val_loss", "val_accuracy"}


def newest(path: Path) -> object:
    return load_checkpoint(checkpoint_paths(RunDirectory(path))[0])


def interrupted(folder: Path, name: str) -> Run:
    """A run of three epochs that ends in the second, after its checkpoint, and is resumed."""

    def dies(state: Any) -> None:
        def die() -> None:
            raise ConnectionAbortedError

        state.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=5), die)

    with pytest.raises(ConnectionAbortedError):
        dataclasses.replace(MINE, handlers={"dies": dies}).train(folder, log=(name,), epochs=3, checkpoint_every="1")
    first = json.loads((folder / "trackers.json").read_text())
    assert first[name]["epoch"] == 2
    found = MINE.train(folder, resume=True, epochs=3)
    assert json.loads((folder / "trackers.json").read_text()) == {name: {**first[name], "epoch": 3}}
    return found


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_every_epoch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    before = process_state()
    found = interrupted(tmp_path / "run", "mlflow")
    assert {name for name, value in process_state().items() if value != before[name]} == set()
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (remote,) = client.search_runs(["0"])
    assert remote.info.run_id == json.loads((tmp_path / "run" / "trackers.json").read_text())["mlflow"]["id"]
    assert remote.info.status == "FINISHED" and remote.data.params["batch_size"] == "16"
    for figure in FIGURES:
        steps = [(metric.step, metric.value) for metric in client.get_metric_history(remote.info.run_id, figure)]
        assert steps == [(epoch["epoch"], epoch[figure]) for epoch in found.history]
    assert mlflow.active_run() is None
    plain = MINE.train(tmp_path / "plain", epochs=3)
    assert first_difference(newest(plain.path), newest(found.path)) is None


@pytest.mark.filterwarnings("ignore")
def test_wandb_goes_on_with_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    before = process_state()
    found = interrupted(tmp_path / "run", "wandb")
    assert {name for name, value in process_state().items() if value != before[name]} == set()
    identity = json.loads((tmp_path / "run" / "trackers.json").read_text())["wandb"]["id"]
    parts = sorted((tmp_path / "wandb").glob(f"offline-run-*-{identity}"))
    assert wandb.run is None and len(parts) in (1, 2)  # a second of them has one name
    plain = MINE.train(tmp_path / "plain", epochs=3)
    assert first_difference(newest(plain.path), newest(found.path)) is None


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a tracker that is a list was sent; 'fails' names what fails there."""
    found: dict[str, Any] = {"figures": [], "runs": [], "fails": None}

    def failing(name: str) -> None:
        if found["fails"] == name:
            raise RuntimeError(f"no {name}:\n the network is down")

    def opened(title: str, settings: Mapping[str, Any], known: str | None) -> trackers.Opened:
        failing("open")
        found["runs"].append((title, dict(settings), known))

        def log(figures: Mapping[str, float], step: int) -> None:
            failing("log")
            found["figures"].append((step, figures["loss"]))

        return known or "abc", log, lambda: failing("close")

    monkeypatch.setattr(trackers, "TRACKERS", {"mlflow": opened})
    return found


def test_what_a_tracker_lacks_is_sent_on_a_resume_and_nothing_twice(tmp_path: Path, sent: dict[str, Any]) -> None:
    first = Tracker("mlflow", RunDirectory(tmp_path), {"lr": 0.1}, [])
    for record in RECORDS[:2]:
        first.add(record)
    again = Tracker("mlflow", RunDirectory(tmp_path), {"lr": 0.1}, RECORDS[:1])  # from a checkpoint before
    for record in RECORDS[1:3]:
        again.add(record)
    late = Tracker("mlflow", RunDirectory(tmp_path), {"lr": 0.1}, RECORDS)
    late.close()
    assert sent["figures"] == [(n, 1 / n) for n in range(1, 5)]
    assert sent["runs"] == [(tmp_path.name, {"lr": 0.1}, known) for known in (None, "abc", "abc")]


@pytest.mark.parametrize("fails", ["open", "log", "close"])
def test_a_tracker_that_fails_warns_once_and_stops_nothing(
    tmp_path: Path, sent: dict[str, Any], fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent["fails"] = fails
    tracker = Tracker("mlflow", RunDirectory(tmp_path), {}, [])
    for record in RECORDS:
        tracker.add(record)
    tracker.close()
    assert caplog.messages == [f"no more figures for mlflow: no {fails}: the network is down"]
    assert len(sent["figures"]) == (len(RECORDS) if fails == "close" else 0)


def test_a_package_that_is_missing_is_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    result = run("--data", "digits", "--log", "wandb", "--out", tmp_path / "run")
    assert result.exit_code == DeviceError.exit_code and not (tmp_path / "run").exists()
    assert result.stderr == "error: --log wandb needs its package: pip install 'emberfield[wandb]'\n"
    result = run("--data", "digits", "--log", "mlfow")
    assert result.exit_code == 2 and "unknown log 'mlfow', did you mean 'mlflow'?" in result.stderr
