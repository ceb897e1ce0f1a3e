"""What a training leaves, for Python."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.config import Config, saved_config
from framework.errors import RunDirectoryError
from framework.run.directory import RunDirectory
from framework.run.history import EpochMetrics


@dataclass(frozen=True)
class Run:
    """A run directory, finished or not."""

    path: Path

    @property
    def directory(self) -> RunDirectory:
        """Its files by name."""
        return RunDirectory(self.path)

    @property
    def config(self) -> Config:
        """The settings. Raises RunDirectoryError if the folder holds no run."""
        if not self.directory.config.is_file():
            raise RunDirectoryError(f"{self.path} holds no run (no {self.directory.config.name})")
        return saved_config(self.directory.config)

    @property
    def history(self) -> list[EpochMetrics]:
        """The metrics of each epoch so far, as they are logged."""
        log = self.directory.log
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.is_file() else []

    @property
    def results(self) -> dict[str, Any]:
        """The figures of a finished run. Raises RunDirectoryError if it is not finished."""
        try:
            content: dict[str, Any] = json.loads(self.directory.results.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{self.path} is not finished: {self.directory.results.name}: {error}") from error
        return content
