"""A progress bar for people, and how long a run will take."""

import logging
import sys
import time
from typing import Any

from ignite.engine import Engine, Events
from tqdm import tqdm

logger = logging.getLogger(__name__)

SKIPPED, MEASURED = 5, 20
"""Steps that are not measured, as libraries set themselves up, and steps that are."""

WORTH_SAYING = 60
"""Seconds of a run from which on its time is said."""

LONG = 24 * 3600
"""Seconds of a run on a CPU that call for a warning."""


def show_progress(trainer: Engine) -> None:
    """A progress bar for each epoch, on a terminal or in a notebook; gone before the epoch's line is printed.

    It is text, which a notebook shows without further packages.
    """
    notebook = type(sys.stderr).__module__.startswith("ipykernel")
    if sys.stderr is None or not (notebook or sys.stderr.isatty()):
        return
    state, bars = trainer.state, list[Any]()

    def begin() -> None:
        length = state.epoch_length or 1
        name = f"epoch {state.epoch}/{state.max_epochs}"
        bars.append(tqdm(total=length, initial=state.iteration % length, desc=name, leave=False, ncols=79))

    def advance() -> None:
        if state.iteration % 20 == 0:  # to read the loss is to wait for a GPU
            output: Any = state.output
            bars[-1].set_postfix(loss=f"{float(output[0]):.4f}", refresh=False)
        bars[-1].update()
        if state.iteration % (state.epoch_length or 1) == 0:
            bars.pop().close()

    trainer.add_event_handler(Events.EPOCH_STARTED, begin)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, advance)


def estimate_time(trainer: Engine, *, on_cpu: bool) -> None:
    """Logs how long the whole run will take, from a few of its first steps; warns of days on a CPU."""
    state, began, first = trainer.state, time.perf_counter(), trainer.state.iteration

    def measure() -> None:
        nonlocal began
        taken = state.iteration - first
        if taken == SKIPPED:
            began = time.perf_counter()
        elif taken == SKIPPED + MEASURED:
            left = (state.max_epochs or 1) * (state.epoch_length or 1) - state.iteration
            seconds = left * (time.perf_counter() - began) / MEASURED
            if seconds > WORTH_SAYING:
                logger.info("about %s of training to go, without validation", duration(seconds))
            if on_cpu and seconds > LONG:
                logger.warning("that is long for a CPU: these settings are for a GPU, or for fewer epochs")

    trainer.add_event_handler(Events.ITERATION_COMPLETED, measure)


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
