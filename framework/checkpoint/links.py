"""What a run directory may hold: files and folders of its own, nothing that leads out of it."""

import os
import stat
from pathlib import Path

from framework.errors import RunDirectoryError
from framework.run.printable import printable


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
