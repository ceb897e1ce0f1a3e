"""A progress bar for people."""

import sys

from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar


def show_progress(trainer: Engine) -> None:
    """A progress bar for each epoch, if standard error is a terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        now_and_then = Events.ITERATION_COMPLETED(every=20)  # to read the loss is to wait for a GPU
        bar = ProgressBar(persist=False)
        bar.attach(trainer, output_transform=lambda output: {"loss": float(output[0])}, event_name=now_and_then)
