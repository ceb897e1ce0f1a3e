"""The recipe's command as a process, with what it costs."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Seconds from the command to its first step, seconds of a step, and the most bytes resident at a time.

    The step is the mean of the last epoch, with its data.
    """

    start: float
    step: float
    peak_bytes: int


def train(
    options: Sequence[str],
    *,
    steps: int,
    epochs: int = 2,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """Runs epochs of `steps` steps; `prefix` stands between the interpreter and the recipe's module.

    Raises RuntimeError with what a failing command said.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, *prefix, "-m", "recipes.s7_cifar", "train", *options, "--out", str(run)]
        command += ["--epochs", str(epochs), "--limit-batches", str(steps), "--unconstrained"]
        began, first = time.perf_counter(), 0.0
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | dict(environment or {}),
            )
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("epoch") and not first:
                    first = time.perf_counter() - began
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                errors.seek(0)
                raise RuntimeError(f"{' '.join(command)} failed:\n{errors.read()}")
        records = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(first - records[0]["seconds"], records[-1]["seconds"] / steps, usage.ru_maxrss * unit)
