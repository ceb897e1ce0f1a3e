"""The logs of a run: JSON lines for programs, text and a progress bar for people, events for tensorboard."""

import json
import sys
from collections.abc import Callable, Sequence

from ignite.engine import Engine
from ignite.handlers import ProgressBar
from tensorboardX import SummaryWriter

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
    """Appends each epoch to the run's logs and says it.

    Opening it cuts the logs back to `history`, the epochs of the checkpoint that a run goes on from.
    """

    def __init__(
        self, run: RunDirectory, *, epochs: int, history: Sequence[Record], say: Callable[[str], None]
    ) -> None:
        self.run = run
        self.epochs = epochs
        self.say = say
        write_text(run.log, "".join(json.dumps(record) + "\n" for record in history))
        write_text(run.training_log, "".join(epoch_line(record, epochs) + "\n" for record in history))
        self.events = SummaryWriter(str(run.path / "tensorboard"), purge_step=len(history) + 1)

    def __call__(self, record: Record) -> None:
        """Logs one epoch."""
        with self.run.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self.write(epoch_line(record, self.epochs))
        for name, value in record.items():
            if name != "epoch":
                self.events.add_scalar(name, value, int(record["epoch"]))

    def write(self, line: str) -> None:
        """Says a line and keeps it in the training log."""
        self.say(line)
        with self.run.training_log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def close(self) -> None:
        """Flushes the tensorboard events."""
        self.events.close()


def show_progress(trainer: Engine) -> None:
    """A progress bar for each epoch, if standard error is a terminal."""
    if sys.stderr.isatty():
        ProgressBar(persist=False).attach(trainer, output_transform=lambda output: {"loss": float(output[0])})
