"""Processes that make batches ahead, each over a socket of its own, so that none can block another or the parent.

The workers of torch's DataLoader share a queue and its locks, which a killed one may hold for ever, and hand over their
batches in /dev/shm, which is small in a container: a batch that does not fit is lost, and waited for.
"""

import contextlib
import multiprocessing
import pickle
import signal
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from framework.data.rendering import Batch
from framework.errors import EmberfieldError, WorkerError
from framework.run.signals import die_with_parent, ignore_signals, signals_blocked

LENGTH = Struct("!Q")
"""How a step, and the size of a message, are sent."""

WAIT_SECONDS = 0.5
"""How often a wait for a batch looks whether the run has been asked to stop."""


@dataclass(frozen=True)
class Worker:
    """A process, and the parent's end of its socket."""

    process: BaseProcess
    connection: socket.socket


class WorkerPool:
    """`workers` processes that call `make` for the steps that they are asked for.

    While a batch is waited for, `check` is called now and then, to raise what ends the wait. Raises WorkerError for a
    process that cannot be started, or that ended before its batch came. What `make` raises in a worker, `take` raises.
    """

    def __init__(self, make: Callable[[int], Batch], workers: int, check: Callable[[], None]) -> None:
        self._check = check
        self._workers: list[Worker] = []
        # Also at Python's exit, which would wait for the workers, and first of all then.
        self.close = Finalize(self, _kill, args=(self._workers,), exitpriority=100)
        try:
            for _ in range(workers):
                self._workers.append(_start(make, self._workers))
        except OSError as error:
            self.close()
            raise WorkerError(
                f"worker process {len(self._workers) + 1} of {workers} cannot be started: {error.strerror}; "
                "--workers 0 needs none"
            ) from error

    def ask(self, step: int) -> None:
        """Has the worker whose turn it is make the batch of a step."""
        worker = self._of(step)
        try:
            worker.connection.sendall(LENGTH.pack(step))
        except OSError:
            raise _lost(worker) from None

    def take(self, step: int) -> Batch:
        """The batch of a step that was asked for, in the order of asking."""
        worker = self._of(step)
        try:
            found, arrays = _receive(worker.connection, self._check)
        except (EOFError, ConnectionError):
            raise _lost(worker) from None
        if isinstance(found, Exception):
            raise found
        images, targets = map(torch.from_numpy, arrays)
        return images, targets

    def _of(self, step: int) -> Worker:
        return self._workers[step % len(self._workers)]


def _start(make: Callable[[int], Batch], others: Sequence[Worker]) -> Worker:
    context = multiprocessing.get_context()
    ours, theirs = socket.socketpair()
    try:
        forked = context.get_start_method() == "fork"
        inherited = [ours, *(other.connection for other in others)] if forked else []
        process = context.Process(target=_work, args=(make, theirs, inherited), daemon=True)
        with signals_blocked():  # until the worker ignores them
            process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()  # the worker's end is its own alone: when it dies, ours is at its end
    ours.settimeout(WAIT_SECONDS)
    return Worker(process, ours)


def _kill(workers: list[Worker]) -> None:
    for worker in workers:
        worker.connection.close()
        worker.process.kill()
    for worker in workers:
        worker.process.join()


def _lost(worker: Worker) -> WorkerError:
    """What is said of a worker that has closed its end."""
    process = worker.process
    process.join(5)
    code = process.exitcode
    how = "closed its connection" if code is None else f"ended with code {code}"
    if code is not None and code < 0:
        how = f"was killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            how += ", as Linux does when the memory is full"
    return WorkerError(f"the worker process {process.pid}, which makes batches, {how}; --resume goes on")


def _work(make: Callable[[int], Batch], connection: socket.socket, inherited: Sequence[socket.socket]) -> None:
    """What a worker does until its parent closes the connection."""
    ignore_signals()
    die_with_parent()
    for other in inherited:
        other.close()
    torch.set_num_threads(1)
    step = bytearray(LENGTH.size)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            _fill(memoryview(step), connection)
            try:
                batch = [np.ascontiguousarray(tensor) for tensor in make(*LENGTH.unpack(step))]
            except Exception as error:
                _send(connection, _portable(error), [])
            else:
                _send(connection, None, batch)


def _portable(error: Exception) -> Exception:
    """The error as another process can raise it, with its traceback unless a user can mend it."""
    text = "".join(traceback.format_exception(error))
    try:
        copy: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(text)
    if not isinstance(copy, EmberfieldError):
        copy.add_note(f"in a worker process:\n{text}")
    return copy


def _send(connection: socket.socket, error: Exception | None, arrays: Sequence[npt.NDArray[Any]]) -> None:
    """Sends an error or arrays: a header, then their bytes."""
    header = pickle.dumps((error, [(array.shape, array.dtype) for array in arrays]))
    connection.sendall(LENGTH.pack(len(header)) + header)
    for array in arrays:
        connection.sendall(array.reshape(-1).view(np.uint8).data)


def _receive(connection: socket.socket, check: Callable[[], None]) -> tuple[Exception | None, list[npt.NDArray[Any]]]:
    """What `_send` sent. Raises EOFError or ConnectionError if the other end is closed before."""

    def filled(size: int) -> bytearray:
        content = bytearray(size)
        _fill(memoryview(content), connection, check)
        return content

    error, kinds = pickle.loads(filled(*LENGTH.unpack(filled(LENGTH.size))))
    arrays = [np.empty(shape, kind) for shape, kind in kinds]
    for array in arrays:
        _fill(array.reshape(-1).view(np.uint8).data, connection, check)
    return error, arrays


def _fill(view: memoryview, connection: socket.socket, check: Callable[[], None] | None = None) -> None:
    while view:
        try:
            count = connection.recv_into(view)
        except TimeoutError:
            if check is not None:
                check()
            continue
        if not count:
            raise EOFError
        view = view[count:]
