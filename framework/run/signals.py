"""Signals that ask a run to stop: the step ends, a checkpoint is written, and the exit code says 'resume me'."""

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from framework.errors import StoppedError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
"""What a supervisor, a keyboard and a closing terminal send."""


class _Interruption(BaseException):
    """Raised where a signal arrives and nothing is to be saved; no `except Exception` catches it."""


class Stop:
    """Whether a signal has asked the run to stop.

    While `deferring`, a signal only leaves its name here, for `check` to raise where nothing is half done. Otherwise it
    ends what runs inside `stop_on_signals`: before training there is nothing to save, and after it all is.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self._deferring = False

    def check(self) -> None:
        """Raises StoppedError if the run has been asked to stop."""
        if self.asked is not None:
            raise StoppedError(f"stopped by {self.asked}")

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """For as long as it lasts, signals wait for `check`; one that is left over is raised at the end."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        self.check()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)  # a second signal ends the process at once
        self.asked = signal.Signals(number).name
        if not self._deferring:
            raise _Interruption


@contextmanager
def stop_on_signals(advice: str = "") -> Iterator[Stop]:
    """Handles SIGTERM, SIGINT and SIGHUP as above, and puts the former handlers back; raises StoppedError for one.

    Where nothing is deferred, `advice` ends its message.
    An ignored SIGHUP, as under nohup, stays ignored. Outside the main thread Python handles no signals, and nothing is
    changed.
    """
    stop = Stop()
    former = {}
    if threading.current_thread() is threading.main_thread():
        former = {number: signal.getsignal(number) for number in SIGNALS}
        former = {number: handler for number, handler in former.items() if not _nohup(number, handler)}
    try:
        for number in former:
            signal.signal(number, stop._handle)
        yield stop
    except _Interruption:
        raise StoppedError(f"stopped by {stop.asked}{advice}") from None
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Lets signals wait while a process is started, which inherits that, until it ignores them or this ends."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def ignore_signals() -> None:
    """For a worker process: its parent decides when it ends, also when a signal goes to the whole group."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def die_with_parent() -> None:
    """Has Linux kill this process when its parent ends, in whatever way; nothing elsewhere."""
    if sys.platform == "linux":
        death_signal = 1  # PR_SET_PDEATHSIG, see prctl(2)
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)


def _nohup(number: int, handler: object) -> bool:
    return handler == signal.SIG_IGN and signal.Signals(number).name == "SIGHUP"
