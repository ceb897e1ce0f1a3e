"""Figures over the epochs for tensorboard, written where an error can be caught.

tensorboardX's SummaryWriter writes in a thread that dies, with a traceback, on a full disk; its EventsWriter is called.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar


class ScalarEvents:
    """A file of events in a folder; `notify` is told if it cannot be written, and training goes on.

    Events from `purge_step` on that an earlier process left in the folder are hidden.
    """

    def __init__(self, folder: Path, *, purge_step: int, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._writer = None
        with self._noticed():
            folder.mkdir(exist_ok=True)
            self._writer = EventsWriter(str(folder / "events"))
            self._write(Event(step=purge_step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Writes figures by name for a step."""
        with self._noticed():
            for name, value in values.items():
                self._write(Event(step=step, wall_time=time.time(), summary=scalar(name, value)))

    def close(self) -> None:
        """Closes the file."""
        with self._noticed():
            if self._writer is not None:
                self._writer.close()

    def _write(self, event: Event) -> None:
        if self._writer is not None:
            self._writer.write_event(event)
            self._writer.flush()

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._writer = None
            self._notify(f"no more tensorboard events: {error}")
