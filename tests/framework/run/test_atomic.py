import errno
import os
import stat
from pathlib import Path

import pytest

from framework.run.atomic import remove_leftovers, write_bytes


def refuse_folders(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose folders cannot be brought to the disk."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_is_written_where_folders_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse_folders(code, monkeypatch)
    write_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    refuse_folders(code, monkeypatch)
    with pytest.raises(OSError, match=os.strerror(code)):
        write_bytes(tmp_path / "file", b"content")


def test_only_what_was_being_written_is_removed(tmp_path: Path) -> None:
    names = (".film.mkv.part", ".film.mkv.123.part", ".hidden", ".a.emberfield-part", "a.1.emberfield-part")
    others = [tmp_path / folder / name for folder in ("", "checkpoints", "a/b") for name in names]
    others.append(tmp_path / "a" / "b" / ".of-another-run.1.emberfield-part")
    leftovers = [tmp_path / folder / ".results.json.123.emberfield-part" for folder in ("", "checkpoints")]
    for path in (*others, *leftovers):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    remove_leftovers(tmp_path)
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in others)
