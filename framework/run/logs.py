"""The logs of a run: JSON lines for programs, a table for spreadsheets, text for people, events for TensorBoard."""

import csv
import io
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from framework.run.directory import RunDirectory, write_text
from framework.run.history import EpochMetrics
from framework.run.tensorboard import EventFiles
from framework.run.trackers import Tracker

logger = logging.getLogger(__name__)


def epoch_line(metrics: EpochMetrics, epochs: int) -> str:
    """One epoch as a line of text, of at most 80 characters below 1,000 epochs and 100 seconds each."""
    validation = (
        f"  val loss {metrics['val_loss']:.4f} acc {metrics['val_accuracy']:6.2%}" if "val_accuracy" in metrics else ""
    )
    return (
        f"epoch {metrics['epoch']:{len(str(epochs))}d}/{epochs}  loss {metrics['loss']:.4f} acc "
        f"{metrics['accuracy']:6.2%}{validation}  lr {metrics['lr']:.3g} {metrics['seconds']:.0f}s"
    )


def csv_line(values: Iterable[object]) -> str:
    """Values as a line of a table, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


class EpochLog:
    """Writes the run's logs and prints each line; without a run it does nothing, as in all processes but the first.

    The figures go to the `trackers` too, which get the `settings`.

    Opening it cuts the logs back to `history`, the epochs of the checkpoint that a run goes on from. Where a line
    could not be written, as on a full disk, the next one writes all files anew. Closing it ends the tensorboard
    events and the trackers; lines can still be written.
    """

    def __init__(
        self,
        run: RunDirectory | None,
        epochs: int,
        history: Sequence[EpochMetrics],
        *,
        trackers: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.run = run
        self.epochs = epochs
        self._whole = False
        self._texts: dict[Path, list[str]] = {}
        self._events: EventFiles | None = None
        self._trackers: list[Tracker] = []
        self._columns = list(history[0]) if history else []
        if run is not None:
            self._texts[run.metrics] = [csv_line(self._columns), *map(self._row, history)] if history else []
            self._texts[run.log] = [json.dumps(metrics) for metrics in history]
            self._texts[run.training_log] = [epoch_line(metrics, epochs) for metrics in history]
            self._write()
            self._events = EventFiles(run.tensorboard, purge_step=len(history) + 1)
            self._trackers = [Tracker(name, run, settings or {}, history) for name in trackers]

    def __call__(self, metrics: EpochMetrics) -> None:
        """Logs one epoch."""
        if self.run is None or self._events is None:
            return
        self._append(self.run.log, json.dumps(metrics, allow_nan=False))
        if not self._columns:
            self._columns = list(metrics)
            self._append(self.run.metrics, csv_line(self._columns))
        self._append(self.run.metrics, self._row(metrics))
        self.write(epoch_line(metrics, self.epochs))
        parts: dict[str, dict[str, float]] = {"train": {}, "validation": {}}
        for name, value in metrics.items():
            parts["validation" if name.startswith("val_") else "train"][name.removeprefix("val_")] = value
        epoch = int(parts["train"].pop("epoch"))
        for part, values in parts.items():
            self._events.scalars(part, values, epoch)
        for tracker in self._trackers:
            tracker.add(metrics)

    def write(self, line: str) -> None:
        """Prints a line and keeps it in the training log."""
        if self.run is not None:
            logger.info("%s", line)
            self._append(self.run.training_log, line)

    def close(self) -> None:
        """Closes the tensorboard events and the trackers."""
        if self._events is not None:
            self._events.close()
        for tracker in self._trackers:
            tracker.close()

    def _row(self, metrics: EpochMetrics) -> str:
        return csv_line(metrics.get(name, "") for name in self._columns)

    def _append(self, path: Path, line: str) -> None:
        self._texts[path].append(line)
        if not self._whole:
            self._write()
            return
        try:
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(line + "\n")
        except OSError as error:
            self._failed(error)

    def _write(self) -> None:
        try:
            for path, lines in self._texts.items():
                write_text(path, "".join(f"{line}\n" for line in lines))
            self._whole = True
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        self._whole = False
        logger.warning("the log could not be written: %s", error)
