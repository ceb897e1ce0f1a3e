"""Log records on the console: what is said on standard output, warnings on standard error."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from framework.run.printable import printable

LOGGER = logging.getLogger("framework")
"""The parent of every logger of this package."""


class ConsoleHandler(logging.Handler):
    """Prints the message of each record as it is: from WARNING on to standard error, others to standard output."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record; where there is nobody to read it, it is dropped."""
        try:
            click.echo(printable(record.getMessage(), keep="\n\t"), err=record.levelno >= logging.WARNING)
        except OSError:
            pass
        except Exception:
            self.handleError(record)


@contextmanager
def console_logging() -> Iterator[None]:
    """While it is entered, INFO and above of this package are printed, once also if it is entered twice.

    Neither the root logger nor what another program has set for this package is changed afterwards.
    """
    if any(isinstance(handler, ConsoleHandler) for handler in LOGGER.handlers):
        yield
        return
    handler, level, propagate = ConsoleHandler(), LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate
