"""What stands on a terminal while a run trains, as a terminal shows it."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from ignite.engine import Engine

from framework.run.progress import MEASURED, SKIPPED, duration, estimate_time
from tests.framework.experiment.running import QUICK, ROOT
from tests.warm_python import warm_python


def on_a_terminal(*arguments: str) -> str:
    """All that a command writes to a terminal, control characters included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [warm_python(), "-m", "recipes.s7_cifar", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        written = b""
        while True:
            try:
                written += (piece := os.read(ours, 4096))
            except OSError:  # the other end is closed
                break
            if not piece:
                break
    os.close(ours)
    return written.decode()


def shown(written: str) -> list[str]:
    """The lines that stay: a carriage return goes back to the beginning of a line, and what follows covers it."""
    lines = []
    for line in written.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


def test_the_bar_and_the_lines_of_the_epochs_do_not_run_into_each_other(tmp_path: Path) -> None:
    written = on_a_terminal(*QUICK, "--epochs", "2", "--out", str(tmp_path / "run"))
    assert "epoch 1/2:" in written  # the bar was there
    log = (tmp_path / "run" / "training.log").read_text().splitlines()
    lines = shown(written)
    assert [line for line in lines if line.startswith("epoch ")] == log[:2]
    assert not [line for line in lines if "it/s" in line or "%|" in line]
    assert max(len(line) for line in lines[:3] + log[:2]) <= 80


@pytest.mark.parametrize(
    ("seconds", "said"), [(59, "59 seconds"), (600, "10 minutes"), (10_000, "3 hours"), (200_000, "2 days")]
)
def test_a_duration_is_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("each", "on_cpu", "said"),
    [
        (0.01, True, []),
        (1, True, ["about 66 minutes of training to go, without validation"]),
        (30, False, ["about 33 hours of training to go, without validation"]),
        (
            30,
            True,
            [
                "about 33 hours of training to go, without validation",
                "that is long for a CPU: these settings are for a GPU, or for fewer epochs",
            ],
        ),
    ],
)
def test_the_time_that_is_left_is_said_after_a_few_steps_and_a_day_on_a_cpu_is_warned_of(
    each: float, on_cpu: bool, said: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0

    def step(engine: Engine, _: object) -> None:
        nonlocal now
        now += each if engine.state.iteration > SKIPPED else 1000  # the first ones are slow
        if engine.state.iteration == SKIPPED + MEASURED:
            engine.terminate()

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    trainer = Engine(step)
    estimate_time(trainer, on_cpu=on_cpu)
    with caplog.at_level("INFO", "framework"):
        trainer.run(range(1000), max_epochs=4)
    assert caplog.messages == said
