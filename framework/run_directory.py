"""The folder that a run leaves behind: what is in it, who may write to it, and what a resume accepts."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.errors import RunDirectoryError


@dataclass(frozen=True)
class RunDirectory:
    """The files of a run, by name."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration, as JSON; `--config` takes it back."""
        return self.path / "config.json"

    @property
    def environment(self) -> Path:
        """Versions, device, commit and the data's hash, as JSON."""
        return self.path / "environment.json"

    @property
    def source(self) -> Path:
        """The folder with the network's code as it was trained."""
        return self.path / "source"

    @property
    def torchsummary(self) -> Path:
        """torchsummary's table."""
        return self.path / "torchsummary.txt"

    @property
    def transforms(self) -> Path:
        """The augmentation as code of albumentations."""
        return self.path / "transforms.py"

    @property
    def augmented_samples(self) -> Path:
        """A picture of training images as the first epochs see them."""
        return self.path / "augmented_samples.png"

    @property
    def log(self) -> Path:
        """One JSON object an epoch."""
        return self.path / "log.jsonl"

    @property
    def training_log(self) -> Path:
        """The same for people."""
        return self.path / "training.log"

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch that was completed."""
        return self.path / "last.pt"

    @property
    def best(self) -> Path:
        """The checkpoint with the best accuracy on the held-out images."""
        return self.path / "best.pt"

    @property
    def results(self) -> Path:
        """The figures of a finished run, as JSON."""
        return self.path / "results.json"

    @property
    def used(self) -> bool:
        """Whether a run has begun here."""
        return self.path.is_dir() and any(self.path.iterdir())


def open_run_directory(path: Path, *, resume: bool) -> RunDirectory:
    """The folder for a run, made if need be and shown to be writable.

    Raises RunDirectoryError for a folder that is in use and not resumed, that holds something else than a run, or
    that cannot be written to.
    """
    run = RunDirectory(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        used = run.used
    except OSError as error:
        raise RunDirectoryError(f"cannot write to the run directory {path}: {error.strerror}") from error
    if used and not resume:
        raise RunDirectoryError(f"{path} is not empty: add --resume to go on with its run, or choose another --out")
    if used and not run.config.is_file():
        raise RunDirectoryError(f"{path} is not empty and holds no run (no {run.config.name}): choose another --out")
    return run


def write_text(path: Path, text: str) -> None:
    """Writes a small text file, all or nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes an indented JSON object, all or nothing."""
    write_text(path, json.dumps(content, indent=2) + "\n")
