"""The figures of a run in MLflow or Weights & Biases, by Ignite's loggers; what fails there never stops a training."""

import importlib.util
import json
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from framework.errors import DeviceError
from framework.run.directory import RunDirectory, write_json
from framework.run.history import EpochMetrics

logger = logging.getLogger(__name__)

LONGEST = 500
"""Characters of a setting that every server of MLflow takes."""

Opened = tuple[str, Callable[..., None], Callable[[], None]]
"""The name that a tracker gave a run, what takes figures and their `step`, and what ends it."""


def _mlflow(title: str, settings: Mapping[str, Any], known: str | None) -> Opened:
    import mlflow
    from ignite.handlers.mlflow_logger import MLflowLogger

    begun = mlflow.start_run(run_id=known, run_name=None if known else title, nested=True)
    if known is None:
        mlflow.log_params({name: str(value)[:LONGEST] for name, value in settings.items()})
    opened = MLflowLogger()  # of the run that has begun
    return begun.info.run_id, opened.log_metrics, opened.close


def _wandb(title: str, settings: Mapping[str, Any], known: str | None) -> Opened:
    from ignite.handlers.wandb_logger import WandBLogger

    identity = known or secrets.token_hex(4)
    quiet = {"console": "off", "silent": True}
    opened = WandBLogger(id=identity, name=title, config=dict(settings), resume="allow", settings=quiet)
    return identity, opened.log, opened.close


TRACKERS: Mapping[str, Callable[[str, Mapping[str, Any], str | None], Opened]] = {"mlflow": _mlflow, "wandb": _wandb}
"""What opens a tracker, by its name, which is that of its package and of our extra for it."""


def require_trackers(names: Sequence[str]) -> None:
    """Raises DeviceError, saying what to install, if the package of one is missing."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise DeviceError(f"--log {name} needs its package: pip install 'emberfield[{name}]'")


class Tracker:
    """The figures of a run in one tracker; the first failure is logged as a warning, and ends it.

    The run directory keeps what the tracker calls the run and the last epoch that it has, so a resume goes on with the
    same one: it sends the epochs of the `history` that are missing there, and none twice, but for one that was sent as
    the process was killed. `settings` are sent once.
    """

    def __init__(
        self, name: str, run: RunDirectory, settings: Mapping[str, Any], history: Sequence[EpochMetrics]
    ) -> None:
        self.name, self.run = name, run
        self._log: Callable[..., None] | None = None
        self._close: Callable[[], None] | None = None
        self._identity, self._epoch = "", 0
        with self._failing():
            kept = self._kept().get(name, {})
            self._identity, self._log, self._close = TRACKERS[name](run.path.name, settings, kept.get("id"))
            self._epoch = kept.get("epoch", 0)
            self._keep()
        for metrics in history:
            self.add(metrics)

    def add(self, metrics: EpochMetrics) -> None:
        """Sends the figures of an epoch, unless they are there."""
        if self._log is None or metrics["epoch"] <= self._epoch:
            return
        with self._failing():
            self._log({name: value for name, value in metrics.items() if name != "epoch"}, step=int(metrics["epoch"]))
            self._epoch = int(metrics["epoch"])
            self._keep()

    def close(self) -> None:
        """Ends the run there; a resume begins it again."""
        with self._failing():
            if self._close is not None:
                self._close()

    def _kept(self) -> dict[str, Any]:
        file = self.run.trackers
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return found

    def _keep(self) -> None:
        write_json(self.run.trackers, {**self._kept(), self.name: {"id": self._identity, "epoch": self._epoch}})

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._log = self._close = None
            logger.warning("no more figures for %s: %s", self.name, " ".join(str(error).split()))
