"""Images at a path: which reader takes what lies there."""

from functools import partial
from pathlib import Path

from framework.data.cifar import FOLDERS, load_cifar
from framework.data.folder import load_folder
from framework.data.hugging_face import is_saved_to_disk, load_saved_to_disk
from framework.data.idx import is_idx_folder, load_idx
from framework.data.image_data import ImageData
from framework.data.npz import load_npz
from framework.data.preprocessing import Preprocessing
from framework.data.svhn import load_svhn
from framework.data.tiny_imagenet import is_tiny_imagenet, list_tiny_imagenet
from framework.errors import DataError

OFFICIAL = {
    **{folder: partial(load_cifar, title, download=False) for title, folder in FOLDERS.items()},
    "train_32x32.mat": partial(load_svhn, download=False),
}
"""Readers of official files, by the name of one that tells them."""


def load_path(path: Path, preprocessing: Preprocessing, cache: Path) -> ImageData:
    """The images of a folder or a .npz file.

    A folder holds class folders (see `list_folder`), Tiny ImageNet's layout, MNIST's idx files, official files of
    CIFAR-10, CIFAR-100 or SVHN, or a data set of Hugging Face as `save_to_disk` leaves it. `cache` is where decoded
    images are kept. Raises DataError for what cannot be read, and for anything else.
    """
    try:
        if path.is_dir():
            for name, load in OFFICIAL.items():
                if (path / name).exists():
                    return load(path, preprocessing)
            if is_idx_folder(path):
                return load_idx(path, preprocessing)
            if is_saved_to_disk(path):
                return load_saved_to_disk(path, preprocessing)
            if is_tiny_imagenet(path):
                return load_folder(path, preprocessing, cache, list_files=list_tiny_imagenet)
            return load_folder(path, preprocessing, cache)
        if path.is_file():
            return load_npz(path, preprocessing)
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path}: {error.strerror}") from error
    raise DataError(f"there is no data at {path}: it takes a folder or a .npz file")
