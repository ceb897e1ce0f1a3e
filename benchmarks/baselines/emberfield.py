"""This framework's `train` as a user runs it: the recipe, with its run directory, logs and checkpoints.

An epoch of `warmup` steps is not enough to separate from the rest, so the run has two epochs of `steps`, of which the
second one's own time is taken: its steps with their data, without the validation.
"""

import json
import tempfile
from pathlib import Path

from click.testing import CliRunner

from benchmarks.baselines.setup import Measured, Setup
from framework.run.directory import RunDirectory
from recipes.s7_cifar import main


def run(setup: Setup) -> Measured:
    """Images a second; it has no workers. Raises RuntimeError with what a failing command printed."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        done = CliRunner().invoke(
            main,
            [
                *("train", "--data", setup.data, "--out", str(run.path)),
                *("--device", str(setup.device), "--epochs", "2"),
                *("--limit-batches", str(setup.steps), "--batch-size", str(setup.batch_size)),
                *("--precision", setup.precision, *(() if setup.augment else ("--transforms", "[]"))),
                *(("--compile",) if setup.device.type == "cuda" else ()),
            ],
        )
        if done.exit_code:
            raise RuntimeError(done.output) from done.exception
        last = json.loads(run.log.read_text(encoding="utf-8").splitlines()[-1])
    return Measured(setup.steps * setup.batch_size / float(last["seconds"]), 0)
