"""The logs of a run: JSON lines for programs, text and a progress bar for people, events for tensorboard."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar

from framework.events import ScalarEvents
from framework.run_directory import RunDirectory, write_text
from framework.training_state import Record


def epoch_line(record: Record, epochs: int) -> str:
    """One epoch as a line of text."""
    validation = (
        f"  val loss {record['val_loss']:.4f}  val accuracy {record['val_accuracy']:7.2%}"
        if "val_accuracy" in record
        else ""
    )
    return (
        f"epoch {record['epoch']:{len(str(epochs))}d}/{epochs}  loss {record['loss']:.4f}  "
        f"accuracy {record['accuracy']:7.2%}{validation}  lr {record['lr']:.5f}  {record['seconds']:.1f} s"
    )


class EpochLog:
    """Keeps the run's logs and says each line; without a run it does nothing, as in all processes but the first.

    Opening it cuts the logs back to `history`, the epochs of the checkpoint that a run goes on from. Where a line
    could not be written, as on a full disk, the next one writes both files anew. Closing it ends the tensorboard
    events; lines can still be written.
    """

    def __init__(
        self,
        run: RunDirectory | None,
        epochs: int,
        history: Sequence[Record],
        say: Callable[[str], None],
        notify: Callable[[str], None],
    ) -> None:
        self.run = run
        self.epochs = epochs
        self.say = say
        self.notify = notify
        self._whole = False
        self._texts: dict[Path, list[str]] = {}
        self._events: ScalarEvents | None = None
        if run is not None:
            self._texts[run.log] = [json.dumps(record) for record in history]
            self._texts[run.training_log] = [epoch_line(record, epochs) for record in history]
            self._write()
            self._events = ScalarEvents(run.path / "tensorboard", purge_step=len(history) + 1, notify=notify)

    def __call__(self, record: Record) -> None:
        """Logs one epoch."""
        if self.run is None or self._events is None:
            return
        self._append(self.run.log, json.dumps(record))
        self.write(epoch_line(record, self.epochs))
        self._events.add({k: v for k, v in record.items() if k != "epoch"}, int(record["epoch"]))

    def write(self, line: str) -> None:
        """Says a line and keeps it in the training log."""
        if self.run is not None:
            self.say(line)
            self._append(self.run.training_log, line)

    def close(self) -> None:
        """Closes the tensorboard events."""
        if self._events is not None:
            self._events.close()

    def _append(self, path: Path, line: str) -> None:
        self._texts[path].append(line)
        if not self._whole:
            self._write()
            return
        try:
            with path.open("a", encoding="utf-8") as file:
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
        self.notify(f"the log could not be written: {error}")


def show_progress(trainer: Engine) -> None:
    """A progress bar for each epoch, if standard error is a terminal."""
    if sys.stderr.isatty():
        now_and_then = Events.ITERATION_COMPLETED(every=20)  # to read the loss is to wait for a GPU
        bar = ProgressBar(persist=False)
        bar.attach(trainer, output_transform=lambda output: {"loss": float(output[0])}, event_name=now_and_then)
