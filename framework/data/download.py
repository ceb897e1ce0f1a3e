"""Files as the author of a data set publishes them: downloaded once, and checked by their MD5."""

import http.client
import shutil
import socket
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from framework.errors import DataError

CONNECT_SECONDS = 10.0
"""How long connecting to a server may take, TLS handshake included."""

STALL_SECONDS = 120.0
"""How long a connected server may send nothing; official ones are slow but move."""


@dataclass(frozen=True)
class OfficialFile:
    """A file by its name and MD5, and the addresses where it is tried, in order."""

    name: str
    md5: str
    urls: tuple[str, ...]

    def is_whole(self, root: Path) -> bool:
        """Whether the file is in a folder, and is the official one."""
        from torchvision.datasets.utils import check_integrity

        return bool(check_integrity(root / self.name, self.md5))


def obtain(
    title: str,
    root: Path,
    files: Sequence[OfficialFile],
    *,
    whole: Callable[[], bool] | None = None,
    unpacked: str | None = None,
    hint: str = "",
) -> None:
    """Brings the files of a data set into a folder, unless `whole` says that what they give is there.

    Without `whole` that is the files themselves. The one archive, where there is one, becomes the folder `unpacked`.
    Of several processes one downloads, and the others wait for it; an archive that an interrupted run has left whole is
    unpacked without a network. Raises DataError, with the ways out and a `hint`, if the files cannot be had.
    """
    from filelock import FileLock

    def is_there() -> bool:
        return whole() if whole else all(file.is_whole(root) for file in files)

    try:
        if is_there():
            return
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "download.lock"):
            if is_there():
                return
            for file in files:
                _download(file, root)
            if unpacked:
                _unpack(root / files[0].name, root / unpacked)
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        names = ", ".join(file.name for file in files)
        raise DataError(
            f"{title} cannot be had ({error}). Ways to get it: a network that reaches the official server; {names} put "
            f"into {root}; {hint}--data FOLDER with train/<class>/* and test/<class>/*; or --data FILE.npz with "
            "x_train, y_train, x_test, y_test"
        ) from error


def _download(file: OfficialFile, root: Path) -> None:
    """Raises RuntimeError, with what each address said, if none gives the file."""
    from torchvision.datasets.utils import download_url

    failures = []
    patience = socket.getdefaulttimeout()
    for url in file.urls:
        try:
            if not file.is_whole(root):
                _connect(url)
            socket.setdefaulttimeout(STALL_SECONDS)  # torchvision sets none and would wait for ever
            download_url(url, str(root), file.name, file.md5)
            return
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failures.append(f"{url}: {error}")
        finally:
            socket.setdefaulttimeout(patience)
    raise RuntimeError("; ".join(failures))


def _connect(url: str) -> None:
    """Raises URLError if no connection is made within CONNECT_SECONDS; a server may take longer to answer."""
    try:
        urllib.request.urlopen(url, timeout=CONNECT_SECONDS).close()
    except TimeoutError:  # urllib leaves it bare after the request is sent, and wraps it in URLError before
        return


def _unpack(archive: Path, folder: Path) -> None:
    """Unpacks an archive that holds one folder, which is whole or not there."""
    from torchvision.datasets.utils import extract_archive

    building = folder.with_name(f"unpacking-{folder.name}")
    shutil.rmtree(building, ignore_errors=True)
    extract_archive(str(archive), str(building))
    shutil.rmtree(folder, ignore_errors=True)
    (building / folder.name).rename(folder)
    building.rmdir()
