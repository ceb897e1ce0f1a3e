"""Writing checkpoints beside training: a copy of the state is taken, and a thread brings it to the disk."""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from framework.config.declaration import parse_interval
from framework.errors import SaveError

logger = logging.getLogger(__name__)


def snapshot(state: Any) -> Any:
    """A copy of nested dicts, lists and tuples, its tensors copied to the CPU."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True, memory_format=torch.preserve_format)
    if isinstance(state, Mapping):
        return {key: snapshot(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(snapshot(value) for value in state)
    return state


class BackgroundWriter:
    """Runs one write after another in a thread; training waits only for a write that is two behind.

    A write that fails is noticed at the next call: with `stops` by SaveError, else in the log, and the next write is
    tried as usual.
    """

    def __init__(self, every: str, *, stops: bool) -> None:
        self.seconds, self.steps = parse_interval(every)
        self.stops = stops
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._last_time = time.monotonic()
        self._failing = False

    def due(self, step: int) -> bool:
        """Whether a checkpoint should be written after this step; False while the one before is being written."""
        if self._writing is not None and not self._writing.done():
            return False
        self.wait()
        if self.steps is not None:
            return step % self.steps == 0
        assert self.seconds is not None
        return time.monotonic() - self._last_time >= self.seconds

    def submit(self, write: Callable[[], None]) -> None:
        """Has `write` called in the thread, once the write before it has ended."""
        self.wait()
        self._last_time = time.monotonic()
        self._writing = self._thread.submit(write)

    def wait(self) -> None:
        """Waits for the last write; raises SaveError if it failed and failures stop the run."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            writing.result()
            self._failing = False
        except OSError as error:
            message = f"a checkpoint could not be written: {error}; the one before it is still there"
            if self.stops:
                raise SaveError(message) from error
            if not self._failing:
                logger.warning("%s; training goes on, and the next one is tried", message)
            self._failing = True

    def close(self) -> None:
        """Waits as `wait` does, and ends the thread."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()
