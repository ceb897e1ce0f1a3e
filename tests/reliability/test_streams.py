"""A terminal, pipe or disk that takes no more output: the training goes on, and its exit code is its own."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.framework.experiment.running import QUICK, ROOT
from tests.reliability.processes import finish, server
from tests.reliability.test_workers import within
from tests.warm_python import warm_python

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def _redirect(number: int, path: str) -> None:
    """Has a descriptor lead elsewhere, with the stream that Python makes of it at its start."""
    target = os.open(path, os.O_WRONLY)
    os.dup2(target, number)
    stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    setattr(sys, {1: "stdout", 2: "stderr"}[number], stream)


def full() -> None:
    _redirect(1, "/dev/full")
    _redirect(2, "/dev/full")


def cut_off() -> None:
    """As after `| head -1` has ended."""
    reading, writing = os.pipe()
    _redirect(1, f"/dev/fd/{writing}")
    _redirect(2, f"/dev/fd/{writing}")
    os.close(writing)
    os.close(reading)


def closed() -> None:
    """As Python begins after `>&- 2>&-`."""
    os.close(1)
    os.close(2)
    sys.stdout = sys.stderr = None  # type: ignore[assignment]


@pytest.mark.parametrize("stream", ["full", "cut_off", "closed"])
def test_output_that_goes_nowhere_stops_no_training(tmp_path: Path, stream: str) -> None:
    folder = tmp_path / "run"
    options = ("--workers", "1", "--augment-on", "cpu")
    assert finish(folder, *options, prepare=f"tests.reliability.test_streams:{stream}") == 0
    assert len((folder / "log.jsonl").read_text().splitlines()) == 4
    assert "test accuracy" in (folder / "training.log").read_text()
    assert (folder / "results.json").is_file()
    assert b"epoch 1/4" not in b"".join(path.read_bytes() for path in folder.rglob("*.pt"))


def summarize(path: str, errors: Path, encoding: str, unbuffered: bool) -> None:
    """A command that prints much and trains nothing, its output led to a file as Python opens it at its start."""
    for number, name, target in ((1, "stdout", path), (2, "stderr", str(errors))):
        os.dup2(os.open(target, os.O_WRONLY | os.O_CREAT), number)
        binary = open(number, "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
        setattr(sys, name, io.TextIOWrapper(binary, encoding=encoding, write_through=unbuffered))
    from recipes.s7_cifar import main

    main(["summary"])


def summary(path: str | Path, errors: Path, encoding: str = "utf-8", unbuffered: bool = False) -> tuple[int, str]:
    """Exit code, and what stands on standard error."""
    process = server().Process(target=summarize, args=(str(path), errors, encoding, unbuffered))
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode, errors.read_text()


@pytest.mark.parametrize("unbuffered", [False, True])
def test_output_that_a_full_disk_lost_is_said(tmp_path: Path, unbuffered: bool) -> None:
    found = summary("/dev/full", tmp_path / "errors", unbuffered=unbuffered)
    assert found == (0, "what was printed is not whole: No space left on device\n")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_characters_that_the_encoding_lacks_are_replaced(tmp_path: Path, encoding: str) -> None:
    assert summary(tmp_path / "out", tmp_path / "errors", encoding) == (0, "")
    printed = (tmp_path / "out").read_text()
    assert "?  max pooling " in printed and "Total params" in printed


def test_a_reader_that_has_ended_is_no_error() -> None:
    """A process of its own, to see also that Python has nothing to say at its very end."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "recipes.s7_cifar", "summary"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, stdout=writing, stderr=subprocess.PIPE, timeout=100)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT] if os.environ.get("EMBERFIELD_SOAK") else [signal.SIGTERM]
)
def test_a_proof_that_is_stopped_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    command = [warm_python(), "-m", "recipes.s7_cifar", "verify-resume", *QUICK, "--epochs", "2000"]
    environment = ENVIRONMENT | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        begun = within(60, lambda: any(tmp_path.glob("*/whole/config.json")))
        process.send_signal(number if begun else signal.SIGKILL)
        assert begun
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (75, f"error: stopped by {number.name}\n")
    assert not list(tmp_path.glob("emberfield-*"))
    assert not [place for place in Path("/proc").glob("[0-9]*") if str(tmp_path).encode() in _command_line(place)]


def _command_line(place: Path) -> bytes:
    try:
        return (place / "cmdline").read_bytes()
    except OSError:
        return b""
