"""File systems and systems that lack what Linux has: the run is trained, and says what it had to leave out."""

import errno
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from tests.reliability.processes import finish, said

SHORT = ("--epochs", "1", "--limit-batches", "2")


def without_flushed_folders() -> None:
    """As CIFS, VirtualBox and some FUSE mounts."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    os.fsync = refuse  # type: ignore[assignment]


def without_locks() -> None:
    """As a mounted Google Drive."""
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    fcntl.lockf = refuse


def without_posix() -> None:
    """As Windows: neither fcntl nor SIGHUP, and nothing that imported them before."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("framework", "recipes", "architectures")]:
        del sys.modules[name]
    sys.modules["fcntl"] = None  # type: ignore[assignment]
    del signal.SIGHUP, signal.pthread_sigmask


@pytest.mark.parametrize(
    ("prepare", "warning"),
    [
        ("without_flushed_folders", None),
        ("without_locks", "cannot be locked (Function not implemented)"),
        ("without_posix", "cannot be locked (this system has no POSIX locks)"),
    ],
)
def test_a_run_is_trained_without(tmp_path: Path, prepare: str, warning: str | None) -> None:
    folder = tmp_path / "run"
    assert finish(folder, *SHORT, prepare=f"tests.reliability.test_platforms:{prepare}") == 0, said(folder)
    assert (folder / "results.json").is_file()
    assert ("cannot be locked" in said(folder)) is (warning is not None)
    assert warning is None or warning in said(folder)
