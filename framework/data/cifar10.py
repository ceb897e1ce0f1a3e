"""CIFAR-10 (Krizhevsky 2009) as its author publishes it, through torchvision."""

import http.client
import socket
import urllib.request
from pathlib import Path

import numpy as np

from framework.data.image_data import ImageData, Images, Labels
from framework.data.preprocessing import Preprocessing, fit_images
from framework.errors import DataError

CONNECT_SECONDS = 10.0
"""How long connecting to the server may take, TLS handshake included."""

STALL_SECONDS = 120.0
"""How long a connected server may send nothing; the official one is slow but moves."""

HOW_TO_GET_IT = (
    "Ways to get it: a network that reaches the official server; --data FOLDER with train/<class>/*.png and "
    "test/<class>/*.png; --data FILE.npz with x_train, y_train, x_test, y_test; or --data with the folder that holds "
    "the official cifar-10-batches-py"
)


def load_cifar10(root: Path, image_size: int, *, download: bool = True) -> ImageData:
    """The 50,000 training and 10,000 test images below `root`, downloaded there if they are not, and checked by MD5.

    Raises DataError if they are not there and cannot be had.
    """
    from torchvision.datasets import CIFAR10

    damaged = _damaged(root)
    if damaged and not download:
        raise DataError(f"{root / CIFAR10.base_folder / damaged[0]} is missing or damaged (by its MD5)")
    try:
        if damaged:
            _fetch(root)
        train, test = (CIFAR10(str(root), train=split) for split in (True, False))
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        raise DataError(f"CIFAR-10 cannot be had ({error}). {HOW_TO_GET_IT}") from error

    def arrays(part: CIFAR10) -> tuple[Images, Labels]:
        images = fit_images(np.ascontiguousarray(part.data), Preprocessing(image_size))
        return images, np.array(part.targets, np.int64)

    return ImageData("cifar10", *arrays(train), *arrays(test), tuple(train.classes))


def _damaged(root: Path) -> list[str]:
    """The official files below `root` that are missing or have another MD5."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    official = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    return [name for name, md5 in official if not check_integrity(root / CIFAR10.base_folder / name, md5)]


def _fetch(root: Path) -> None:
    """Downloads and unpacks the archive; of several processes one does, and the others wait for it.

    An archive that an interrupted run has left whole is unpacked without a network.
    """
    from filelock import FileLock
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity, download_and_extract_archive

    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / "download.lock"):
        if not _damaged(root):
            return
        if not check_integrity(root / CIFAR10.filename, CIFAR10.tgz_md5):
            _connect(CIFAR10.url)
        patience = socket.getdefaulttimeout()
        socket.setdefaulttimeout(STALL_SECONDS)  # torchvision sets none and would wait for ever
        try:
            download_and_extract_archive(CIFAR10.url, str(root), filename=CIFAR10.filename, md5=CIFAR10.tgz_md5)
        finally:
            socket.setdefaulttimeout(patience)


def _connect(url: str) -> None:
    """Raises URLError if no connection is made within CONNECT_SECONDS; a server may take longer to answer."""
    try:
        urllib.request.urlopen(url, timeout=CONNECT_SECONDS).close()
    except TimeoutError:  # urllib leaves it bare after the request is sent, and wraps it in URLError before
        return
