"""CIFAR-10 (Krizhevsky 2009) as its author publishes it, through torchvision."""

import http.client
import socket
import urllib.request
from pathlib import Path

import numpy as np

from framework.errors import DataError
from framework.sources.image_data import ImageData, Images, Labels
from framework.sources.resizing import resize_all

CONNECT_SECONDS = 10.0
"""How long the server may take to answer at all."""

STALL_SECONDS = 120.0
"""How long a download that has begun may stand still; the official server is slow but moves."""

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

    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        if download and not _is_whole(root):
            urllib.request.urlopen(CIFAR10.url, timeout=CONNECT_SECONDS).close()
            root.mkdir(parents=True, exist_ok=True)
            CIFAR10(str(root), train=True, download=True)
        train, test = (CIFAR10(str(root), train=split, download=False) for split in (True, False))
    except (OSError, http.client.HTTPException, RuntimeError, EOFError) as error:
        raise DataError(f"CIFAR-10 cannot be had ({error}). {HOW_TO_GET_IT}") from error
    finally:
        socket.setdefaulttimeout(patience)

    def arrays(part: CIFAR10) -> tuple[Images, Labels]:
        return resize_all(part.data, image_size), np.array(part.targets, np.int64)

    (train_images, train_labels), (test_images, test_labels) = arrays(train), arrays(test)
    return ImageData(
        name="cifar10",
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        class_names=tuple(train.classes),
    )


def _is_whole(root: Path) -> bool:
    """Whether torchvision finds every batch below `root` with the right MD5."""
    from torchvision.datasets import CIFAR10

    try:
        CIFAR10(str(root), train=True, download=False)
    except RuntimeError:
        return False
    return True
