"""Real signals to real processes in every phase: the step ends, a checkpoint is written, the code says 'resume me'."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.reliability.processes import EVERY_STEP, At, digest, finish, said, start, wait_for

PHASES = {
    "start-up": At("framework.data.data_module:open_images", 1, "after", "wait"),
    "training": At("framework.engine.training_step:gradient_norm", 13, "before", "wait"),
    "validation": At("framework.engine.evaluator:forward_pass", 2, "before", "wait"),
    "saving": At("os:fsync", 35, "before", "wait"),
    "testing": At("framework.experiment.artifacts:evaluate_model", 1, "before", "wait"),
}


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("start-up", signal.SIGTERM),
        ("training", signal.SIGTERM),
        ("training", signal.SIGINT),
        ("training", signal.SIGHUP),
        ("validation", signal.SIGINT),
        ("saving", signal.SIGTERM),
        ("testing", signal.SIGTERM),
    ],
)
def test_a_signal_stops_the_run_to_be_resumed(
    whole: dict[str, str], tmp_path: Path, phase: str, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    process = start(folder, *EVERY_STEP, "--workers", "2", at=PHASES[phase])
    wait_for(tmp_path / "run.mark", process)
    began = time.monotonic()
    os.kill(process.pid or 0, number)
    process.join(60)
    seconds = time.monotonic() - began
    assert process.exitcode == 75, said(folder)
    assert f"stopped by {number.name}" in said(folder)
    assert "Traceback" not in said(folder)
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    assert digest(folder) == whole
    with capsys.disabled():
        print(f"\n{number.name} in {phase}: ended after {seconds:.2f} s, of which up to 1 s is the test's own wait")


def test_a_second_signal_ends_the_process_at_once_and_harms_nothing(whole: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, *EVERY_STEP, at=PHASES["training"])
    wait_for(tmp_path / "run.mark", process)
    os.kill(process.pid or 0, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == -signal.SIGTERM
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    assert digest(folder) == whole


def test_a_run_that_is_stopped_in_every_epoch_stops_early_at_the_same_one(tmp_path: Path) -> None:
    tired = ("--lr", "1e-9", "--epochs", "8")
    assert finish(tmp_path / "whole", *tired) == 0, said(tmp_path / "whole")
    found = digest(tmp_path / "whole")
    assert '"stopped_early": true' in found["results"]
    folder, mark = tmp_path / "parts", tmp_path / "parts.mark"
    stops = 0
    while True:  # each process takes the rest of an epoch and some steps of the next
        process = start(folder, *tired, at=At("framework.engine.training_step:gradient_norm", 8, "before", "wait"))
        while process.exitcode is None and not mark.exists():
            time.sleep(0.005)
        if process.exitcode is not None:
            break
        mark.unlink()
        os.kill(process.pid or 0, signal.SIGTERM)
        process.join(60)
        assert process.exitcode == 75, said(folder)
        stops += 1
    assert process.exitcode == 0, said(folder)
    assert stops >= 4
    assert digest(folder) == found
