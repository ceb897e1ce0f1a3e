"""Files that are written whole or not at all, whatever happens to the process, the disk or the machine."""

import errno
import os
import re
from pathlib import Path

PART = re.compile(r"\..+\.\d+\.emberfield-part")
"""The name of a file that is still being written: that of the whole one, and the process that writes it."""


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that its path always holds the old content or the new, on the disk when this returns.

    A file beside it is written, flushed to the disk and renamed, then the folder's entry is flushed. Raises OSError
    where the disk is full or unwritable; the old content stays then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.emberfield-part")
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
    """Brings a folder's entries to the disk, where its file system can: network drives often refuse."""
    if os.name == "nt":  # a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process was still writing in a folder or one in it; for who alone may write there."""
    for part in (*folder.glob(".*"), *folder.glob("*/.*")):
        if PART.fullmatch(part.name):
            part.unlink(missing_ok=True)
