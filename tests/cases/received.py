"""Runs that somebody else made: what they hold to make a reader's computer execute, read or overwrite something."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from framework.checkpoint.file_format import load_checkpoint, save_checkpoint


def change_metadata(run: Path, **changes: object) -> None:
    """Changes what the checkpoints of a run say of their network."""
    for path in (run / "best.pt", *(run / "checkpoints").iterdir()):
        content = load_checkpoint(path)
        save_checkpoint(path, {**content, "metadata": {**content["metadata"], **changes}})


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a JSON file in place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def with_code(run: Path, arch: str, options: Mapping[str, object]) -> None:
    """A network that is a function of somebody else's choice, in config.json and the checkpoints."""
    change_json(run / "config.json", lambda config: config["network"].update(arch=arch, arch_options=options))
    change_metadata(run, arch=arch, arch_options=dict(options))


def with_source(run: Path, *source: object) -> None:
    """Other files listed as the network's code."""
    change_json(run / "environment.json", lambda environment: environment.update(source=list(source)))


def with_link(run: Path, name: str, target: Path) -> None:
    """A symbolic link in place of a file or folder of the run."""
    path = run / name
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        path.rename(run.parent / f"former {path.name}")
    path.symlink_to(target)


def with_pipe(run: Path, name: str) -> None:
    """A pipe in place of a file: who reads it waits for ever."""
    (run / name).unlink()
    os.mkfifo(run / name)


NAMES = (
    "\x1b]0;title\x07\x1b[2Jcat",
    "dog\ntest accuracy 100.00 %",
    "![x](http://example.org/x.png)<img src=x>`\u202e\u2028\x9b",
)
"""Class names that would clear a terminal, forge a line, load a picture, and turn the text around."""
