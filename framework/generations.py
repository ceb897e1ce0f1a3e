"""The checkpoints of a run: the newest few, so that a damaged one costs minutes and not the run."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.checkpoint import load_checkpoint, save_checkpoint
from framework.errors import CheckpointError


@dataclass(frozen=True)
class Generations:
    """A folder of checkpoints named by their step, of which the newest `keep` are kept."""

    folder: Path
    keep: int = 3

    def paths(self) -> list[Path]:
        """The checkpoints, the newest first; none where the folder does not exist."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted((path for path in found if re.fullmatch(r"step-\d{9,}\.pt", path.name)), key=_step, reverse=True)

    def save(self, step: int, state: Mapping[str, Any]) -> Path:
        """Writes the checkpoint of a step, then removes those beyond `keep`; raises OSError if it cannot be written.

        One of the same step is replaced. The old ones go only when the new one is on the disk.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:09d}.pt"
        save_checkpoint(path, state)
        for old in self.paths()[self.keep :]:
            old.unlink(missing_ok=True)
        return path

    def newest(self, notify: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
        """The newest checkpoint that proves whole; None if there never was one.

        `notify` is told of each damaged one, which is set aside under another name. Raises CheckpointError if there
        were some and none is whole.
        """
        paths = self.paths()
        for path in paths:
            try:
                return path, load_checkpoint(path)
            except CheckpointError as error:
                aside = path.with_name(f"{path.name}.damaged")
                path.replace(aside)
                notify(f"{error}; set aside as {aside.name}, going back to the checkpoint before it")
        if paths or any(self.folder.glob("*.damaged")):
            raise CheckpointError(f"no checkpoint in {self.folder} is whole; begin again with another --out")
        return None


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))
