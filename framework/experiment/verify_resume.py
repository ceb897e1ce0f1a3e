"""The proof of exact resume on the user's own recipe and machine: two real runs, one of them killed."""

import json
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths
from framework.config import Config
from framework.errors import DifferenceError, EmberfieldError
from framework.run.directory import RunDirectory, write_text
from framework.run.signals import Stop

logger = logging.getLogger(__name__)

CHECKPOINT_EVERY = "7"
"""Steps between the checkpoints of the two runs: few, and no divisor of most epochs."""


def verify_resume(launcher: Sequence[str], config: Config, kills: int) -> None:
    """Trains twice, the second time killed at `kills` random instants and resumed, and compares all state.

    `launcher` starts the experiment, see `Experiment.launcher`.

    A signal ends the runs too, and leaves nothing of them.

    Raises DifferenceError with the first value that differs, EmberfieldError if a run fails by itself.
    """
    with Stop() as stop, tempfile.TemporaryDirectory(prefix="emberfield-") as scratch:
        folder = Path(scratch)
        settings = folder / "config.json"
        write_text(settings, config.updated({"checkpoint_every": CHECKPOINT_EVERY}).to_json())
        whole, killed = RunDirectory(folder / "whole"), RunDirectory(folder / "killed")
        _finish(stop, launcher, settings, whole)
        results = json.loads(whole.results.read_text(encoding="utf-8"))
        seconds = results["training_seconds"]
        logger.info("left alone: %d epochs in %.1f s of training", results["epochs"], seconds)
        measured = config.updated({"checkpoint_every": CHECKPOINT_EVERY, "precision": results["precision"]})
        write_text(settings, measured.to_json())
        for _ in range(kills):
            if _killed(stop, launcher, settings, killed, random.uniform(0, seconds)):
                newest = checkpoint_paths(killed)
                logger.info("killed; to go on from %s", newest[0].name if newest else "the beginning")
            else:
                logger.info("ended before it was to be killed")
        _finish(stop, launcher, settings, killed)
        states = [load_checkpoint(checkpoint_paths(run)[0]) for run in (whole, killed)]
        if difference := first_difference(*states) or first_difference(*map(_log, (whole, killed))):
            raise DifferenceError(f"the two runs are not equal: {difference}")


@contextmanager
def _running(
    stop: Stop, launcher: Sequence[str], settings: Path, run: RunDirectory
) -> "Iterator[subprocess.Popen[str]]":
    """A training process, which is killed at the end if it has not ended."""
    options = ["--config", str(settings), "--out", str(run.path), "--resume"]
    command = [sys.executable, *launcher, "train", *options]
    process = None
    try:
        with stop.deferring():  # or a signal could end the start and leave what was started
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        yield process
    finally:
        if process is not None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _finish(stop: Stop, launcher: Sequence[str], settings: Path, run: RunDirectory) -> None:
    with _running(stop, launcher, settings, run) as process:
        output, _ = process.communicate()
    if process.returncode != 0:
        raise EmberfieldError(f"a run ended with code {process.returncode}: {output.strip().splitlines()[-1]}")


def _killed(stop: Stop, launcher: Sequence[str], settings: Path, run: RunDirectory, after: float) -> bool:
    """Kills a process so many seconds after its run directory is there; False if it ends before."""
    with _running(stop, launcher, settings, run) as process:
        while process.poll() is None and not run.config.is_file():
            time.sleep(0.01)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            return True
    return False


def _log(run: RunDirectory) -> list[object]:
    return [json.loads(line) for line in run.log.read_text(encoding="utf-8").splitlines()]
