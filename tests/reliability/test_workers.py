"""Worker processes that are killed, stand still, or outlive who started them; and machines with little room."""

import contextlib
import ctypes
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from framework.data.rendering import Batch
from framework.data.worker_pool import WorkerPool
from framework.errors import DataError, WorkerError
from tests.reliability.processes import finish, said, server, start, wait_for

LONG = ("--workers", "2", "--checkpoint-every", "3", "--epochs", "300", "--patience", "300")
SHORT = (*LONG, "--epochs", "3")


def children(pid: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "stat").read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(place.name))
    return sorted(found)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < limit:
        time.sleep(0.01)
    return holds


def training(folder: Path, *options: str) -> BaseProcess:
    """A run with two workers that has trained for an epoch."""
    process = start(folder, *options)
    wait_for(folder / "best.pt", process)  # which stays, as a checkpoint does not
    return process


def large_batch(step: int) -> Batch:
    return torch.full((4_000_000,), step % 251, dtype=torch.uint8), torch.tensor([step])


@pytest.mark.parametrize("after", [0, 0.001, 0.003, 0.01, 0.02, 0.05])
def test_a_worker_that_is_killed_at_any_instant_is_an_error_at_once(after: float) -> None:
    """Also in the middle of its batch, of which the pipe holds a part."""
    others = children(os.getpid())
    pool = WorkerPool(large_batch, 2)
    for step in range(4):
        pool.ask(step)
    victim = (set(children(os.getpid())) - set(others)).pop()
    time.sleep(after)
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(WorkerError, match=f"the worker process {victim}, .* was killed by SIGKILL, as Linux does"):
        for step in range(4):
            assert pool.take(step)[1].item() == step
            pool.ask(step + 4)
    assert time.monotonic() - began < 5
    pool.close()
    assert children(os.getpid()) == others


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGBUS])
def test_a_run_whose_worker_is_killed_ends_with_one_line_and_goes_on(tmp_path: Path, sent: signal.Signals) -> None:
    folder = tmp_path / "run"
    process = training(folder, *LONG)
    os.kill(children(process.pid or 0)[0], sent)
    process.join(20)
    assert process.exitcode == 11, said(folder)
    assert f"was killed by {sent.name}" in said(folder) and "--resume goes on" in said(folder)
    assert "Traceback" not in said(folder)


def test_a_first_sigterm_ends_a_run_that_waits_for_a_batch(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = training(folder, *LONG)
    for worker in (found := children(process.pid or 0)):
        os.kill(worker, signal.SIGSTOP)
    time.sleep(0.5)
    assert process.exitcode is None
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(20)
    assert process.exitcode == 75, said(folder)
    assert "stopped by SIGTERM" in said(folder) and f"--resume --out {folder}" in said(folder)
    assert list((folder / "checkpoints").glob("step-*.pt"))
    assert not any(map(alive, found))


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = training(folder, *LONG)
    found = children(process.pid or 0)
    assert len(found) == 2
    process.kill()
    process.join()
    assert within(5, lambda: not any(map(alive, found)))


def sleeper(step: int) -> Batch:
    time.sleep(60)
    return large_batch(step)


def leave_workers_busy(mark: Path, ends: bool) -> None:
    """Asks workers for what takes a minute, and ends, or stays to be killed."""
    multiprocessing.set_start_method("fork", force=True)
    globals()["never closed"] = pool = WorkerPool(sleeper, 2)
    pool.ask(0)
    pool.ask(1)
    mark.write_text(" ".join(str(process.pid) for process in multiprocessing.active_children()))
    mark.rename(mark.with_suffix(".done"))
    time.sleep(0 if ends else 60)


@pytest.mark.parametrize("ends", [True, False])
def test_workers_in_the_middle_of_their_work_outlive_nobody(tmp_path: Path, ends: bool) -> None:
    process = server().Process(target=leave_workers_busy, args=(tmp_path / "a.pids", ends))
    process.start()
    wait_for(tmp_path / "a.done", process)
    found = [int(pid) for pid in (tmp_path / "a.done").read_text().split()]
    assert len(found) == 2
    if not ends:
        process.kill()
    process.join(10)
    assert process.exitcode == (0 if ends else -9)
    dead = within(5, lambda: not any(map(alive, found)))
    for pid in [] if dead else found:
        os.kill(pid, signal.SIGKILL)
    assert dead


def broken(step: int) -> Batch:
    if step == 1:
        raise DataError("no such image")
    return torch.zeros(1), torch.tensor(1 // (2 - step))


def test_what_is_raised_in_a_worker_is_raised_by_the_pool() -> None:
    pool = WorkerPool(broken, 1)
    for step in range(3):
        pool.ask(step)
    assert pool.take(0)[1].item() == 0
    with pytest.raises(DataError, match="^no such image$"):
        pool.take(1)
    with pytest.raises(ZeroDivisionError) as raised:
        pool.take(2)
    assert "in broken" in raised.value.__notes__[0]
    pool.close()


def test_workers_that_cannot_be_started_are_an_error() -> None:
    others = children(os.getpid())
    before, (soft, hard) = len(list(Path("/proc/self/fd").iterdir())), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 4, hard))
    try:
        with pytest.raises(WorkerError, match="worker process . of 9 cannot be started: Too many open files"):
            WorkerPool(large_batch, 9)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert children(os.getpid()) == others


def fill_the_shared_memory() -> None:
    """Gives the process a /dev/shm of one page, which is full."""
    libc, private, recursive, namespaces = ctypes.CDLL(None), 1 << 18, 1 << 14, 0x20000
    assert libc.unshare(namespaces) == 0
    assert libc.mount(b"none", b"/", None, private | recursive, None) == 0
    assert libc.mount(b"full", b"/dev/shm", b"tmpfs", 0, b"size=4k") == 0
    Path("/dev/shm/a").write_bytes(bytes(4096))
    with pytest.raises(OSError, match="No space left"):
        Path("/dev/shm/b").write_bytes(b"1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_no_shared_memory_is_needed(tmp_path: Path) -> None:
    """Docker gives 64 MB of it, which a few batches of large images fill."""
    folder = tmp_path / "run"
    assert finish(folder, *SHORT, prepare="tests.reliability.test_workers:fill_the_shared_memory") == 0, said(folder)


def allow_twenty_open_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))


def test_twenty_open_files_are_enough(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = finish(folder, *SHORT, prepare="tests.reliability.test_workers:allow_twenty_open_files")
    assert code == 0, said(folder)
