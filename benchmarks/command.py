"""The recipe's command as a process, with what it costs; the options that say on which images."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

RECIPE = "recipes.s7_cifar"
"""The module whose command is measured."""

NEEDS = {"fastai_learner": "fastai", "lightning_stock": "lightning", "timm_loader": "timm"}
"""The libraries that baselines need; the extra `benchmarks` has them."""

Command = TypeVar("Command", bound=Callable[..., Any])


def data_options(command: Command) -> Command:
    """Adds `--data` to a click command, as `train` has it; it has to be given."""
    return click.option("--data", required=True, help="the images, by name or by path, as for train")(command)


def require_installed(chosen: Collection[str], option: str) -> None:
    """Raises click.ClickException if a library that one of the `chosen` needs is not there; `option` chooses others."""
    for name in chosen:
        if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
            extra = "pip install -e '.[benchmarks]'"
            raise click.ClickException(f"{name} needs {NEEDS[name]}: {extra}, or leave it out by {option}")


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

    Raises RuntimeError with what a failing command printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, *prefix, "-m", RECIPE, "train", *options, "--out", str(run)]
        command += ["--epochs", str(epochs), "--limit-batches", str(steps), "--no-constraints"]
        began, first, printed = time.perf_counter(), 0.0, []
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | dict(environment or {}),
        )
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                printed.append(line)
                if line.startswith("epoch") and not first:
                    first = time.perf_counter() - began
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(printed)}")
        records = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert first, f"no line of the command's output begins with 'epoch': {''.join(printed)}"
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(first - records[0]["seconds"], records[-1]["seconds"] / steps, usage.ru_maxrss * unit)
