"""Files that are written whole or not at all, whatever happens to the process, the disk or the machine."""

import os
from pathlib import Path

PREFIX, SUFFIX = ".", ".part"
"""How the name of a file that is still being written begins and ends."""


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that its path always holds the old content or the new, on the disk when this returns.

    A file beside it is written, flushed to the disk and renamed, then the folder's entry is flushed. Raises OSError
    where the disk is full or unwritable; the old content stays then.
    """
    temporary = path.with_name(f"{PREFIX}{path.name}.{os.getpid()}{SUFFIX}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Brings a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process was still writing anywhere in a folder; only for who alone may write there."""
    for part in folder.rglob(f"{PREFIX}*{SUFFIX}"):
        part.unlink(missing_ok=True)
