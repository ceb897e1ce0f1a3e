"""A run for TensorBoard: figures by epoch, images and hyper-parameters, written where an error can be caught.

tensorboardX's SummaryWriter writes in a thread that dies, with a traceback, on a full disk; its EventsWriter is called.
"""

import logging
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import hparams, scalar

logger = logging.getLogger(__name__)

RGBA = 4
"""The colorspace of an image with alpha, in TensorBoard's format."""


class EventFiles:
    """Events below a folder, in a subfolder for each part of the run; curves of one name share a chart.

    Events of a part from `purge_step` on that an earlier process left are hidden as soon as the part has a new one. If
    a file cannot be written, that is logged and training goes on.
    """

    def __init__(self, folder: Path, *, purge_step: int) -> None:
        self._folder, self._purge_step = folder, purge_step
        self._writers: dict[str, EventsWriter] = {}
        self._failed = False

    def scalars(self, part: str, values: Mapping[str, float], step: int) -> None:
        """Writes figures by name for a step."""
        summaries = [scalar(name, value) for name, value in values.items()]
        if summaries:
            self._write(part, Summary(value=[value for summary in summaries for value in summary.value]), step)

    def image(self, part: str, name: str, png: bytes, step: int) -> None:
        """Writes a picture, the content of a PNG file."""
        width, height = struct.unpack(">II", png[16:24])  # of the chunk IHDR, which is the first
        image = Summary.Image(width=width, height=height, colorspace=RGBA, encoded_image_string=png)
        self._write(part, Summary(value=[Summary.Value(tag=name, image=image)]), step)

    def hyperparameters(self, values: Mapping[str, float | str]) -> None:
        """Writes what the table of hyper-parameters has; its metrics are the parts' figures."""
        _, begin, _ = hparams(values, {})
        self._write("", begin, 0)

    def close(self) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            with self._logged():
                writer.close()

    def _write(self, part: str, summary: Summary, step: int) -> None:
        if self._failed:
            return
        with self._logged():
            if part not in self._writers:
                folder = self._folder / part
                folder.mkdir(parents=True, exist_ok=True)
                # the name that tensorboardX makes has seconds only: a second file would take the place of the first
                writer = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
                self._writers[part] = writer
                writer.write_event(Event(step=self._purge_step, session_log=SessionLog(status=SessionLog.START)))
            self._writers[part].write_event(Event(step=step, wall_time=time.time(), summary=summary))
            self._writers[part].flush()

    @contextmanager
    def _logged(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed = True
            logger.warning("no more tensorboard events: %s", error)
