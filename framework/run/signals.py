"""Signals that ask a run to stop: the step ends, a checkpoint is written, and the exit code says 'resume me'."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from framework.errors import StoppedError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What a supervisor, a keyboard and a closing terminal send."""


class Stop:
    """Whether a signal has asked the run to stop.

    While `deferring`, a signal only leaves its name here, for `check` to raise where nothing is half done. Otherwise
    the program exits with the same code where it is: before training there is nothing to save, and after it all is.
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
            print(f"stopped by {self.asked}; the same command with --resume goes on", file=sys.stderr)
            sys.exit(StoppedError.exit_code)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Handles SIGTERM, SIGINT and SIGHUP as above, in the main thread, and puts the former handlers back."""
    stop = Stop()
    former = {number: signal.signal(number, stop._handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def ignore_signals(_worker: int = 0) -> None:
    """For a worker process: its parent decides when it ends, also when a signal goes to the whole group."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
