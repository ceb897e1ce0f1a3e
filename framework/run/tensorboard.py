"""Scalars over the epochs for TensorBoard, written where an error can be caught.

tensorboardX's SummaryWriter writes in a thread that dies, with a traceback, on a full disk; its EventsWriter is called.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

logger = logging.getLogger(__name__)


class ScalarWriter:
    """A file of TensorBoard events in a folder; if it cannot be written, that is logged and training goes on.

    Events from `purge_step` on that an earlier process left in the folder are hidden.
    """

    def __init__(self, folder: Path, *, purge_step: int) -> None:
        self._writer = None
        with self._logged():
            folder.mkdir(exist_ok=True)
            self._writer = EventsWriter(str(folder / "events"))
            self._write(Event(step=purge_step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Writes figures by name for a step."""
        with self._logged():
            for name, value in values.items():
                self._write(Event(step=step, wall_time=time.time(), summary=scalar(name, value)))

    def close(self) -> None:
        """Closes the file."""
        with self._logged():
            if self._writer is not None:
                self._writer.close()

    def _write(self, event: Event) -> None:
        if self._writer is not None:
            self._writer.write_event(event)
            self._writer.flush()

    @contextmanager
    def _logged(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._writer = None
            logger.warning("no more tensorboard events: %s", error)
