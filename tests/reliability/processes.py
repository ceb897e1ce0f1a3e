"""Real processes of the real command, forked from a server that has imported everything already.

A process can be told to do something at the n-th call of a function that it would make anyway: the product has no hooks
for tests, so the call is patched in the child.
"""

import contextlib
import functools
import hashlib
import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from torch import Tensor

from framework.checkpoint.comparison import leaves
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths
from framework.run.directory import RunDirectory
from tests.warm_python import warm_python

TRAIN = (
    *("--data", "digits", "--arch", "tests.reliability.networks:small", "--no-constraints"),
    *("--device", "cpu", "--precision", "float32", "--batch-size", "32", "--limit-batches", "8", "--epochs", "4"),
    *("--ema-decay", "0.9", "--lr", "0.05", "--val-size", "150", "--augment-on", "cpu"),
    *("--patience", "2", "--patience-from", "0.3"),
)
EVERY_STEP = ("--checkpoint-every", "3")
"""A checkpoint for every third step."""


@dataclass(frozen=True)
class At:
    """At the n-th call (from 1) of `module:function`, before or after it: die, or leave a mark and wait for a signal.

    'wait' makes the file that is named and goes on after a second, as if that call took long.
    """

    call: str
    n: int
    when: Literal["before", "after"] = "before"
    does: Literal["die", "wait"] = "die"


def patch(at: At, mark: Path) -> None:
    """Replaces the call in this process."""
    module_name, _, path = at.call.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def act() -> None:
        mark.touch()
        if at.does == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(1)

    @functools.wraps(real)
    def patched(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at.n and at.when == "before":
            act()
        result = real(*args, **kwargs)
        if calls == at.n and at.when == "after":
            act()
        return result

    setattr(owner, name, patched)


def child(
    folder: str, arguments: Sequence[str], at: At | None, prepare: str | None, environment: Mapping[str, str]
) -> None:
    """What a process does: the command with its output in a file beside the run, ending with its exit code."""
    import torch

    multiprocessing.set_start_method("fork", force=True)  # Linux's own, where the server has left that of its processes
    torch.set_num_threads(1)
    os.environ.update(environment)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests themselves run under nohup
    output = Path(f"{folder}.out").open("a", buffering=1)  # noqa: SIM115 - for as long as the process lives
    sys.stdout = sys.stderr = output
    if at is not None:
        patch(at, Path(f"{folder}.mark"))
    if prepare is not None:
        module, _, function = prepare.partition(":")
        getattr(importlib.import_module(module), function)()
    from recipes.s7_cifar import main

    main([*arguments, "--out", folder, "--resume"])


@functools.cache
def server() -> Any:
    """A context whose processes start in a tenth of a second."""
    context = multiprocessing.get_context("forkserver")
    context.set_executable(warm_python())
    context.set_forkserver_preload(["tests.reliability.ahead"])
    return context


def start(
    folder: Path,
    *arguments: str,
    at: At | None = None,
    prepare: str | None = None,
    train: Sequence[str] = TRAIN,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> BaseProcess:
    """A process that trains in `folder`, or goes on there."""
    process: BaseProcess = server().Process(
        target=child, args=(str(folder), [*train, *arguments], at, prepare, dict(environment))
    )
    process.start()
    return process


def finish(folder: Path, *arguments: str, **options: Any) -> int:
    """Runs a process to its end; its exit code, negative for a signal."""
    process = start(folder, *arguments, **options)
    process.join(120)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"the process in {folder} hangs: {said(folder)}")
    return process.exitcode


def said(folder: Path) -> str:
    """All that the processes in a folder have printed."""
    output = Path(f"{folder}.out")
    return output.read_text() if output.exists() else ""


def kill_at(folder: Path, seconds: float, *arguments: str) -> bool:
    """Kills a process with SIGKILL after some seconds; whether that found it alive."""
    process = start(folder, *arguments)
    process.join(seconds)
    alive = process.exitcode is None
    if alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    return alive


def wait_for(path: Path, process: BaseProcess) -> None:
    """Waits until a file is there."""
    limit = time.monotonic() + 60
    while not path.exists():
        assert process.exitcode is None, f"the process ended with {process.exitcode} before {path.name}"
        assert time.monotonic() < limit, f"{path.name} does not come"
        time.sleep(0.005)


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of everything that a finished run leaves: all state, the best weights, the log, the figures."""
    run = RunDirectory(folder)
    files = {"state": checkpoint_paths(run)[0]} | ({"best": run.best} if run.best.exists() else {})
    found = {"newest": files["state"].name}
    for name, path in files.items():
        sha = hashlib.sha256()
        for key, value in sorted(leaves(load_checkpoint(path)).items()):
            sha.update(key.encode())
            sha.update(value.numpy().tobytes() if isinstance(value, Tensor) else repr(value).encode())
        found[name] = sha.hexdigest()
    records = [json.loads(line) for line in run.log.read_text().splitlines()]
    results = json.loads(run.results.read_text())
    del results["training_seconds"]
    untimed = [{key: value for key, value in record.items() if key != "seconds"} for record in records]
    return found | {"log": json.dumps(untimed), "results": json.dumps(results)}
