"""Several trainings at a time, each in a process of its own: faster where one leaves most of a GPU idle."""

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from framework.config import Config
from framework.errors import EmberfieldError, StoppedError
from framework.run.directory import write_text
from framework.run.signals import Stop, die_with_parent

logger = logging.getLogger(__name__)

INTERVAL = 0.1
"""Seconds between two looks at the processes."""


def train_side_by_side(launcher: Sequence[str], configs: Mapping[Path, Config], at_once: int) -> None:
    """Trains the runs, or goes on with them, so many at a time; `configs` are their settings by run directory.

    `launcher` starts the experiment, see `Experiment.launcher`. The processes share the cores, unless OMP_NUM_THREADS
    is set. A signal, or a failure of one of them, stops all, to be resumed.

    Raises StoppedError for a stop, EmberfieldError with the last line of a training that failed.
    """
    waiting, running = list(configs.items()), dict[Path, subprocess.Popen[bytes]]()
    with Stop() as stop, tempfile.TemporaryDirectory(prefix="emberfield-") as scratch:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    path, config = waiting.pop(0)
                    with stop.deferring():  # or a signal could end the start and leave what was started
                        running[path] = _start(launcher, path, config, _output(scratch, path, configs), at_once)
                time.sleep(INTERVAL)
                for path in [path for path, process in running.items() if process.poll() is not None]:
                    _require_success(path, running.pop(path).returncode, _output(scratch, path, configs))
                    logger.info("%s has ended, %d to go", path, len(waiting) + len(running))
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait()


def _output(scratch: str, path: Path, configs: Mapping[Path, Config]) -> Path:
    """Where a run's process prints to."""
    return Path(scratch, f"{list(configs).index(path)}.txt")


def _start(
    launcher: Sequence[str], path: Path, config: Config, output: Path, at_once: int
) -> "subprocess.Popen[bytes]":
    settings = output.with_suffix(".json")
    write_text(settings, config.to_json())
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, *launcher, "train", "--config", str(settings), "--out", str(path), "--resume"],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // at_once)), **os.environ},
            preexec_fn=None if os.name == "nt" else die_with_parent,
        )


def _require_success(path: Path, code: int, output: Path) -> None:
    if code == StoppedError.exit_code:
        raise StoppedError(f"the training of {path} was stopped")
    if code:
        said = output.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it printed nothing"]
        raise EmberfieldError(f"the training of {path} ended with code {code}: {said[-1]}")
