"""Processes that make batches ahead, each over a pipe of its own, so that none can block another or the parent.

The workers of torch's DataLoader hand over their batches in /dev/shm, which is small in a container: a batch that does
not fit is lost, and waited for. It and concurrent.futures end their workers by SIGTERM, which workers have to ignore.
"""

import contextlib
import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize

import torch

from framework.data.rendering import Batch
from framework.errors import EmberfieldError, WorkerError
from framework.run.signals import die_with_parent, ignore_signals, signals_blocked


class WorkerPool:
    """`workers` processes that call `make` for the steps that they are asked for.

    Raises WorkerError for a process that cannot be started, or that ended before its batch came. What `make` raises in
    a worker, `take` raises.
    """

    def __init__(self, make: Callable[[int], Batch], workers: int) -> None:
        self._workers: list[tuple[BaseProcess, Connection]] = []
        # Also at Python's exit, which would wait for the workers, and first of all then.
        self.close = Finalize(self, _kill, args=(self._workers,), exitpriority=100)
        try:
            with signals_blocked():  # until each worker ignores them, and is known here
                for _ in range(workers):
                    self._workers.append(_start(make))
        except OSError as error:
            self.close()
            raise WorkerError(
                f"worker process {len(self._workers) + 1} of {workers} cannot be started: {error.strerror}; "
                "--workers 0 needs none"
            ) from error

    def ask(self, step: int) -> None:
        """Has the worker whose turn it is make the batch of a step."""
        process, connection = self._workers[step % len(self._workers)]
        try:
            connection.send(step)
        except OSError:
            raise _lost(process) from None

    def take(self, step: int) -> Batch:
        """The batch of a step that was asked for, in the order of asking."""
        process, connection = self._workers[step % len(self._workers)]
        try:
            found = connection.recv()
        except (EOFError, OSError):
            raise _lost(process) from None
        if isinstance(found, Exception):
            raise found
        images, targets = map(torch.from_numpy, found)
        return images, targets


def _start(make: Callable[[int], Batch]) -> tuple[BaseProcess, Connection]:
    ours, theirs = multiprocessing.Pipe()
    with theirs:  # the worker's end is its own alone: when it dies, ours is at its end
        process = multiprocessing.Process(target=_work, args=(make, theirs), daemon=True)
        process.start()
    return process, ours


def _kill(workers: list[tuple[BaseProcess, Connection]]) -> None:
    for process, connection in workers:
        connection.close()
        process.kill()
    for process, _ in workers:
        process.join()


def _lost(process: BaseProcess) -> WorkerError:
    """What is said of a worker that has closed its end."""
    process.join(5)
    code = process.exitcode
    how = "closed its connection" if code is None else f"ended with code {code}"
    if code is not None and code < 0:
        how = f"was killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            how += ", as Linux does when the memory is full"
    return WorkerError(f"the worker process {process.pid}, which makes batches, {how}; --resume goes on")


def _work(make: Callable[[int], Batch], connection: Connection) -> None:
    """What a worker does until its parent kills it, or ends."""
    ignore_signals()
    die_with_parent()
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, OSError):
        while True:
            step = connection.recv()
            try:
                found: object = [tensor.numpy() for tensor in make(step)]  # tensors would go through /dev/shm
            except Exception as error:
                found = _portable(error)
            connection.send(found)


def _portable(error: Exception) -> Exception:
    """The error as another process can raise it, with its traceback unless a user can mend it."""
    text = f"in a worker process:\n{''.join(traceback.format_exception(error))}"
    try:
        copy: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(text)
    if not isinstance(copy, EmberfieldError):
        copy.add_note(text)
    return copy
