"""Signals that ask a run to stop: the step ends, a checkpoint is written, and the exit code says 'resume me'."""

import ctypes
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, TypeVar

from framework.errors import StoppedError

T = TypeVar("T")

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
"""What a supervisor, a keyboard and a closing terminal send."""

GRACE = 5.0
"""Seconds in which one of several processes may still get what it waits for; torchrun kills after 30."""


class _Interruption(BaseException):
    """Raised where a signal arrives and nothing is to be saved; no `except Exception` catches it."""


class Stop:
    """Whether a signal has asked the run to stop; while it is entered, SIGTERM, SIGINT and SIGHUP are handled.

    While `deferring`, a signal only leaves its name here, for `check` to raise where nothing is half done. Otherwise it
    ends what runs inside: before training there is nothing to save, and after it all is. At the end the former handlers
    are put back, and StoppedError is raised for a signal.
    An ignored SIGHUP, as under nohup, stays ignored. Outside the main thread Python handles no signals, and nothing is
    changed.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self._deferring = self._waiting = self._timed = False
        self._grace = 0.0
        self._former: dict[int, Any] = {}

    # A context made by contextlib could be interrupted in contextlib's own lines.
    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            self._former = {number: old for number in SIGNALS if _replaceable(number, old := signal.getsignal(number))}
            for number in self._former:
                signal.signal(number, self._handle)
            if self.asked is not None:
                self.__exit__(None, None, None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        if kind in (None, _Interruption):
            self.check()

    def check(self) -> None:
        """Raises StoppedError if the run has been asked to stop."""
        if self.asked is not None:
            raise StoppedError(f"stopped by {self.asked}") from None

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """For as long as it lasts, signals wait for `check`; one that is left over is raised at the end."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        self.check()

    def ending_waits(self, items: Iterable[T], *, grace: float = 0.0) -> Iterator[T]:
        """The items; a signal that comes before or while one is waited for raises StoppedError, `deferring` or not.

        It does so after `grace` seconds, unless the item has come by then.
        """
        self._grace, iterator = grace, iter(items)
        while True:
            self._waiting = True
            try:
                if self.asked is not None:
                    self._end_wait()
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._waiting = False
                if self._timed:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            yield item

    def _handle(self, number: int, frame: FrameType | None) -> None:
        in_notebook = "ipykernel" in sys.modules
        for each, former in self._former.items():  # a second signal ends the process at once; a notebook stays alive
            signal.signal(each, former if in_notebook else signal.SIG_DFL)
        self.asked = signal.Signals(number).name
        if self._waiting:
            self._end_wait()
        if not self._deferring and not _entering_or_leaving(frame):
            raise _Interruption

    def _end_wait(self) -> None:
        """Ends the wait at once, or by an alarm."""
        if not self._grace or not hasattr(signal, "setitimer"):  # Windows
            self.check()
        self._former.setdefault(signal.SIGALRM, signal.getsignal(signal.SIGALRM))
        signal.signal(signal.SIGALRM, lambda *_: self.check() if self._waiting else None)
        signal.setitimer(signal.ITIMER_REAL, self._grace)
        self._timed = True


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


def die_with_parent() -> None:
    """Has Linux kill this process when its parent ends, in whatever way; nothing elsewhere."""
    if sys.platform == "linux":
        death_signal = 1  # PR_SET_PDEATHSIG, see prctl(2)
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)


def _entering_or_leaving(frame: FrameType | None) -> bool:
    """Whether the context is being entered or left: then handlers are half changed, and `__exit__` raises."""
    ours = (Stop.__enter__.__code__, Stop.__exit__.__code__)
    while frame is not None and frame.f_code not in ours:
        frame = frame.f_back
    return frame is not None


def _replaceable(number: int, handler: object) -> bool:
    """Whether a signal is to be handled: not a hangup that nohup ignores, nor what Python could not put back."""
    ignored_hangup = handler == signal.SIG_IGN and signal.Signals(number).name == "SIGHUP"
    return handler is not None and not ignored_hangup
