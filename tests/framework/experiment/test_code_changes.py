"""A network whose code changes between a stop and a resume."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.framework.experiment.running import QUICK, ROOT
from tests.warm_python import warm_python

NETWORK = """
from torch import nn

def make(*, num_classes, in_channels=3):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(256, num_classes))
"""
KILLED = """
import os, sys
from framework.checkpoint import manager
real = manager.save_checkpoint
def save(path, state):
    real(path, state)
    if path.name == "step-000000006.pt":
        os.kill(os.getpid(), 9)
manager.save_checkpoint = save
from recipes.s7_cifar import main
main(sys.argv[1:])
"""
OPTIONS = (*QUICK, "--epochs", "2", "--arch", "mine:make", "--no-constraints")


def start(folder: Path, *arguments: str, threads: int = 1) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "OMP_NUM_THREADS": str(threads)}
    return subprocess.run([warm_python(), *arguments], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network and a run that was killed after the first of two epochs, not to be changed."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "mine.py").write_text(NETWORK)
    assert start(folder, "-c", KILLED, *OPTIONS, "--out", "run").returncode == -9
    return folder


@pytest.fixture
def stopped(killed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    return tmp_path


RESUME = ("-m", "recipes.s7_cifar", "train", "--resume", "--out", "run", "--arch", "mine:make")


def test_changed_code_is_refused_by_name_and_can_be_allowed(stopped: Path) -> None:
    (stopped / "mine.py").write_text(NETWORK.replace("ReLU", "Tanh"))
    refused = start(stopped, *RESUME)
    assert refused.returncode == 4, refused.stderr
    assert "the network's code has changed (mine.py)" in refused.stderr
    done = start(stopped, *RESUME, "--allow-code-changes")
    assert done.returncode == 0, done.stderr
    assert "may differ from one that was left alone: the network's code was changed: mine.py" in done.stderr
    results = json.loads((stopped / "run" / "results.json").read_text())
    assert results["exact"] is False and results["inexact"] == ["the network's code was changed: mine.py"]
    assert "ReLU" in (stopped / "run" / "source" / "mine.py").read_text()
    assert "Tanh" in (stopped / "run" / "source" / "since-step-000000006" / "mine.py").read_text()
    report = start(stopped, "-m", "recipes.s7_cifar", "report", "run", "--device", "cpu", "--arch", "mine:make")
    assert report.returncode == 0, report.stderr
    text = (stopped / "run" / "report" / "report.md").read_text()
    assert "The run may differ from one that was left alone" in text
    assert "nn.ReLU()" in text and "nn.Tanh()" in text


def test_another_number_of_threads_is_a_warning_and_not_exact(stopped: Path) -> None:
    done = start(stopped, *RESUME, threads=2)
    assert done.returncode == 0, done.stderr
    assert "threads was 1 and is now 2" in done.stderr
    assert json.loads((stopped / "run" / "results.json").read_text())["exact"] is False


def test_a_resume_on_the_same_machine_is_exact(stopped: Path) -> None:
    done = start(stopped, *RESUME)
    assert done.returncode == 0, done.stderr
    assert "may differ" not in done.stderr
    results = json.loads((stopped / "run" / "results.json").read_text())
    assert results["exact"] is True and results["inexact"] == []
