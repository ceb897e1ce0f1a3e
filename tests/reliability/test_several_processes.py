"""torchrun on one machine, with gloo: the same training as one process's, one that writes, and a lost process."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.framework.experiment.running import ROOT
from tests.reliability.processes import digest, said, start, wait_for
from tests.reliability.test_workers import children
from tests.warm_python import warm_python

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
COMMON = (
    *("-m", "recipes.s7_cifar", "train", "--data", "digits", "--no-constraints", "--device", "cpu"),
    *("--precision", "float32", "--batch-size", "32", "--val-size", "151", "--resume", "--patience", "99"),
)
SOAK = bool(os.environ.get("EMBERFIELD_SOAK"))
EPOCHS = 20 if SOAK else 8
GROUPED = ("--arch", "tests.reliability.networks:grouped")


def train(folder: Path, *options: str, torchrun: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [warm_python(), *torchrun, *COMMON, *options, "--out", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def records(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("augment_on", ["cpu", "device"] if SOAK else ["device"])
def test_two_processes_have_the_losses_of_one(tmp_path: Path, augment_on: str) -> None:
    """Epochs of one step show the loss of each of the first steps."""
    options = (*GROUPED, "--limit-batches", "1", "--epochs", str(EPOCHS), "--augment-on", augment_on)
    runs = {"one": train(tmp_path / "one", *options), "two": train(tmp_path / "two", *options, torchrun=TORCHRUN)}
    for name, process in runs.items():
        output, _ = process.communicate(timeout=200)
        assert process.returncode == 0, output
        assert len(re.findall(r"^test accuracy [\d.]+ %$", output, re.MULTILINE)) == 1, name
        assert output.count(f"epoch {EPOCHS}/{EPOCHS}") == 1, name
    one, two = records(tmp_path / "one"), records(tmp_path / "two")
    assert len(one) == len(two) == EPOCHS
    for left, right in zip(one, two, strict=True):
        for figure in ("loss", "accuracy", "val_loss", "val_accuracy"):
            assert left[figure] == pytest.approx(right[figure], rel=1e-4), (left["epoch"], figure)
    assert len({record["loss"] for record in one}) == EPOCHS


def test_a_batch_that_cannot_be_shared_evenly_is_refused(tmp_path: Path) -> None:
    process = train(tmp_path / "run", *GROUPED, "--batch-size", "31", torchrun=TORCHRUN)
    output, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "error: a batch of 31 cannot be divided evenly among 2 processes" in output


def workers(folder: Path) -> list[int]:
    """The processes of torchrun that train in a folder, the first one first."""
    found = {}
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdecimal() and os.fsencode(folder) in (place / "cmdline").read_bytes().split(b"\0"):
                rank = next(v for v in (place / "environ").read_bytes().split(b"\0") if v.startswith(b"RANK="))
                found[int(rank[5:])] = int(place.name)
        except (OSError, StopIteration):
            continue
    return [found[rank] for rank in sorted(found)]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("stuck", [0, 1])
def test_a_sigterm_ends_processes_of_which_one_waits_for_a_batch_that_never_comes(tmp_path: Path, stuck: int) -> None:
    """The other process waits for it in a reduction, where Python handles no signal."""
    folder, group = tmp_path / "run", {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(free_port())}
    options = ("--epochs", "300", "--patience", "300", "--checkpoint-every", "9", "--workers", "1")
    processes = [start(folder, *options, environment={**group, "RANK": str(rank)}) for rank in range(2)]
    wait_for(folder / "best.pt", processes[0])
    (worker,) = children(processes[stuck].pid or 0)
    os.kill(worker, signal.SIGSTOP)
    time.sleep(1)
    for process in processes:
        os.kill(process.pid or 0, signal.SIGTERM)
    for process in processes:
        process.join(25)
    assert [process.exitcode for process in processes] == [75, 75], said(folder)
    assert said(folder).count("error: stopped by SIGTERM, kept in step-") == 2
    assert f"--resume --out {folder}" in said(folder) and "Traceback" not in said(folder)


def test_a_lost_process_is_replaced_and_the_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    network = ("--arch", "tests.reliability.networks:small")
    options = (*network, "--limit-batches", "20", "--epochs", "4", "--checkpoint-every", "5")
    whole = train(tmp_path / "whole", *options, torchrun=TORCHRUN)
    output, _ = whole.communicate(timeout=200)
    assert whole.returncode == 0, output
    folder = tmp_path / "lost"
    process = train(folder, *options, torchrun=(*TORCHRUN, "--max-restarts", "1"))
    limit = time.monotonic() + 100
    while not list(folder.glob("checkpoints/step-*.pt")):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    os.kill(workers(folder)[1], signal.SIGKILL)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert digest(folder) == digest(tmp_path / "whole")
