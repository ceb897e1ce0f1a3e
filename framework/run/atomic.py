"""Files that are written whole or not at all, whatever happens to the process, the disk or the machine."""

import errno
import os
import re
from pathlib import Path

PREFIX, SUFFIX = ".", ".part"
"""How the name of a file that is still being written begins and ends; between them stand its own and a process id."""

LONGEST = 200
"""Bytes of a file's own name that are kept in it."""

UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems say that lack an operation, as network drives and shared folders of virtual machines do."""


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that its path always holds the old content or the new, on the disk when this returns.

    A file beside it is written, flushed to the disk and renamed, then the folder's entry is flushed. Raises OSError
    where the disk is full or unwritable; the old content stays then.
    """
    # cut, for a name that leaves no room for more: no file's name may be longer than 255 bytes
    name = os.fsdecode(os.fsencode(path.name)[:LONGEST])
    temporary = path.with_name(f"{PREFIX}{name}.{os.getpid()}{SUFFIX}")
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


def flush_folder(folder: Path) -> bool:
    """Brings a folder's entries to the disk; False where the system or the file system cannot do that."""
    if os.name == "nt":  # Windows opens no folders
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    finally:
        os.close(descriptor)
    return True


def remove_leftovers(folder: Path, names: str) -> None:
    """Removes what a killed process was still writing in a folder: the parts of files whose names match `names`.

    That is a regular expression for the whole name. Only for who alone may write there.
    """
    part = re.compile(rf"{re.escape(PREFIX)}(?:{names})\.\d+{re.escape(SUFFIX)}")
    for entry in folder.iterdir() if folder.is_dir() else ():
        if part.fullmatch(entry.name) and entry.is_file() and not entry.is_symlink():
            entry.unlink(missing_ok=True)
