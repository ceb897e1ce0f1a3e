"""The logs of a run: JSON lines for programs, text and a progress bar for people, events for tensorboard."""

import json
import sys
from collections.abc import Callable, Sequence

from ignite.engine import Engine
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
    """Keeps the run's logs and says each line.

    Opening it cuts the logs back to `history`, the epochs of the checkpoint that a run goes on from. Each file is
    written anew at every line, so that a full disk leaves no half line, and what it cost comes back with the next.
    """

    def __init__(
        self,
        run: RunDirectory,
        *,
        epochs: int,
        history: Sequence[Record],
        say: Callable[[str], None],
        notify: Callable[[str], None],
    ) -> None:
        self.run = run
        self.epochs = epochs
        self.say = say
        self.notify = notify
        self._records = [json.dumps(record) for record in history]
        self._lines = [epoch_line(record, epochs) for record in history]
        self._write()
        self.events = ScalarEvents(run.path / "tensorboard", purge_step=len(history) + 1, notify=notify)

    def __call__(self, record: Record) -> None:
        """Logs one epoch."""
        self._records.append(json.dumps(record))
        self.write(epoch_line(record, self.epochs))
        self.events.add({k: v for k, v in record.items() if k != "epoch"}, int(record["epoch"]))

    def write(self, line: str) -> None:
        """Says a line and keeps it in the training log."""
        self.say(line)
        self._lines.append(line)
        self._write()

    def close(self) -> None:
        """Closes the tensorboard events."""
        self.events.close()

    def _write(self) -> None:
        try:
            write_text(self.run.log, "".join(f"{record}\n" for record in self._records))
            write_text(self.run.training_log, "".join(f"{line}\n" for line in self._lines))
        except OSError as error:
            self.notify(f"the log could not be written: {error}")


def show_progress(trainer: Engine) -> None:
    """A progress bar for each epoch, if standard error is a terminal."""
    if sys.stderr.isatty():
        ProgressBar(persist=False).attach(trainer, output_transform=lambda output: {"loss": float(output[0])})
