"""Standard output and error that never stop a program: full, closed, cut off, or of an encoding with few characters."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO

GONE = (errno.EPIPE, errno.EBADF)
"""What is said of a stream that nobody reads any more, as after `| head -1` or `2>&-`."""


class _Unstoppable(io.RawIOBase):
    """A file that takes all that is written to it; `failure` is why the last of it was lost, if it should have come."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.failure: str | None = None

    def write(self, content: Any) -> int:
        """Writes, or drops what cannot be written."""
        try:
            return self._file.write(content) or 0
        except OSError as error:
            if error.errno not in GONE:
                self.failure = error.strerror
            return len(content)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._file.isatty()

    def fileno(self) -> int:
        return self._file.fileno()


@contextmanager
def unstoppable_streams() -> Iterator[None]:
    """While it is entered, what standard output and error cannot take is dropped, and other characters replaced.

    A failure that is not a closed end, such as a full disk under standard output, is said on standard error at the end.
    Streams that are no files, as in a notebook or a test, stay as they are.
    """
    _open_descriptors()
    with ExitStack() as stack:
        for name in ("stderr", "stdout"):
            stack.enter_context(_unstoppable(name))
        yield


@contextmanager
def _unstoppable(name: str) -> Iterator[None]:
    former: TextIO | None = getattr(sys, name)
    if former is None:  # closed when Python started
        with open(os.devnull, "w", encoding="utf-8") as nothing:  # noqa: PTH123
            setattr(sys, name, nothing)
            try:
                yield
            finally:
                setattr(sys, name, None)
        return
    buffer = getattr(former, "buffer", None)
    file = getattr(buffer, "raw", buffer)  # with PYTHONUNBUFFERED there is nothing between
    if not isinstance(file, io.FileIO) or not isinstance(former, io.TextIOWrapper):
        yield
        return
    former.flush()
    raw = _Unstoppable(file)
    stream = io.TextIOWrapper(
        io.BufferedWriter(raw) if file is not buffer else raw,  # type: ignore[type-var]
        encoding=former.encoding,
        errors="replace" if former.errors in ("strict", "surrogateescape") else former.errors,
        line_buffering=former.line_buffering,
        write_through=former.write_through,
    )
    setattr(sys, name, stream)
    try:
        yield
    finally:
        stream.flush()
        setattr(sys, name, former)
        if raw.failure and name == "stdout":
            print(f"what was printed is not whole: {raw.failure}", file=sys.stderr)


def _open_descriptors() -> None:
    """Opens those of 0, 1 and 2 that are closed: a file of the run would take the number, and get what is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
