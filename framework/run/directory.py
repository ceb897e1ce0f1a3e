"""The folder that a run leaves behind: what is in it, who may write to it, and what a resume accepts."""

import errno
import itertools
import json
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from framework.errors import RunDirectoryError
from framework.run.atomic import flush_folder, remove_leftovers, write_bytes
from framework.run.printable import printable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)


class RunDirectory:
    """The files of a run, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"  # --config takes it back
        self.environment = path / "environment.json"  # versions, device, commit, the data's hash
        self.source = path / "source"  # the network's code as it was trained
        self.torchsummary = path / "torchsummary.txt"
        self.network = path / "network.txt"  # layers with receptive field and cost, and the constraints
        self.transforms = path / "transforms.py"  # the augmentation as code of albumentations
        self.augmented_samples = path / "augmented_samples.png"
        self.log = path / "log.jsonl"  # one JSON object an epoch
        self.metrics = path / "metrics.csv"  # the same for spreadsheets
        self.trackers = path / "trackers.json"  # what --log calls this run
        self.training_log = path / "training.log"  # the same for people
        self.tensorboard = path / "tensorboard"  # the same for TensorBoard: see `framework.run.tensorboard`
        self.curves = path / "curves.png"
        self.lr_finder = path / "lr_finder.png"  # of a run whose rate was looked for
        self.checkpoints = path / "checkpoints"  # the newest: see `framework.checkpoint.manager`
        self.best = path / "best.pt"  # the weights with the best validation accuracy
        self.weights = path / "weights.safetensors"  # the reported weights, for other programs
        self.results = path / "results.json"  # the figures of a finished run
        self.benchmark = path / "benchmark.json"  # latency, size and memory, by the command `benchmark`

    def teacher(self, number: int) -> Path:
        """A copy of a teacher network, the first being number 1: a resume reads these."""
        return self.path / ("teacher.pt" if number == 1 else f"teacher-{number}.pt")

    def remove_leftovers(self) -> None:
        """Removes the parts of this run's own files that a killed process left, and nothing else."""
        own = [re.escape(path.name) for path in vars(self).values()]
        remove_leftovers(self.path, "|".join([*own, r"teacher(-\d+)?\.pt"]))
        remove_leftovers(self.checkpoints, r"step-\d{9,}\.pt")
        folders = [self.source, *(path for path in self.source.rglob("*") if path.is_dir())]
        for folder in folders if self.config.is_file() else ():
            remove_leftovers(folder, r".*\.py")

    @property
    def used(self) -> bool:
        """Whether a run has begun here; files that were cut off while they were written do not count."""
        return self.path.is_dir() and any(not entry.name.startswith(".") for entry in self.path.iterdir())


@contextmanager
def open_run_directory(path: Path, *, resume: bool) -> Iterator[RunDirectory]:
    """The folder for a run, made if need be, shown to be writable, and locked for as long as the context lasts.

    Raises RunDirectoryError for a folder that another process has open, that is in use and not resumed, that holds
    something else than a run, or that cannot be written to.
    """
    run = RunDirectory(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        used = run.used
        if used and not resume:
            raise RunDirectoryError(f"{path} is not empty: add --resume to go on with its run, or choose another --out")
        if used and not run.config.is_file():
            raise RunDirectoryError(
                f"{path} is not empty and holds no run (no {run.config.name}): choose another --out"
            )
        lock = (path / ".lock").open("a")
    except OSError as error:
        raise RunDirectoryError(f"cannot write to the run directory {path}: {error.strerror}") from error
    with lock:
        _lock(path, lock)
        try:
            run.remove_leftovers()
            flushed = flush_folder(path)
        except OSError as error:
            raise RunDirectoryError(f"cannot use the run directory {path}: {error}") from error
        if not flushed:
            logger.warning("%s: folders cannot be flushed here; a power cut may lose the newest files", path)
        yield run


def require_own_files(folder: Path) -> None:
    """Raises RunDirectoryError for a symbolic link, pipe or device anywhere in a run directory.

    A run that somebody else made could have them in place of files that are read, or written over. The folder itself
    may be a link: the user has named it.
    """
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            try:
                mode = path.lstat().st_mode
            except OSError:  # gone meanwhile
                continue
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                kind = f"a symbolic link to {path.readlink()}" if stat.S_ISLNK(mode) else "no regular file"
                raise RunDirectoryError(
                    f"{printable(str(path))} is {printable(kind)}; a run holds files of its own: put what it stands "
                    "for in its place"
                )


def make_run_directory(name: str) -> Path:
    """A new folder in runs/, of this name and the time; a number tells those of the same second apart.

    Raises RunDirectoryError if it cannot be made.
    """
    base = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in itertools.count(1):
        path = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not path.parent.is_dir():
                raise RunDirectoryError(f"cannot make {path}: {path.parent} is not a folder") from None
        except OSError as error:
            raise RunDirectoryError(f"cannot make the run directory {path}: {error.strerror}") from error
        else:
            return path
    raise AssertionError


def remove_unused(run: RunDirectory) -> None:
    """Removes the folder of a run that ended before it had begun, as for want of data."""
    if not run.used:
        shutil.rmtree(run.path, ignore_errors=True)


def _lock(path: Path, file: IO[str]) -> None:
    """Locks a run directory by its lock file; where that cannot be done, a warning says so."""
    if fcntl is None:
        logger.warning("%s cannot be locked on this system: start no second process on it", path)
        return
    try:
        # A lock of POSIX's kind ends with the process, and worker processes do not inherit it.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise RunDirectoryError(f"{path} is in use by another process") from error
        logger.warning("%s cannot be locked (%s): start no second process on it", path, error.strerror)


def finished(run: RunDirectory, planned_epochs: int) -> dict[str, Any] | None:
    """The results of a run that has ended after all of its `planned_epochs`, or an early stop; else None."""
    try:
        results = json.loads(run.results.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(results, dict) and isinstance(results.get("test_accuracy"), float)
    return results if whole and results.get("planned_epochs") == planned_epochs else None


def write_text(path: Path, text: str) -> None:
    """Writes a text file, all or nothing; raises OSError as `atomic.write_bytes` does."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))  # names of files need not be UTF-8


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes an indented JSON object, all or nothing; raises OSError as `atomic.write_bytes` does."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
