"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) as their author publishes them, through torchvision."""

from pathlib import Path

from framework.data.arrays import from_arrays
from framework.data.download import OfficialFile, obtain
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.errors import DataError

FOLDERS = {"CIFAR-10": "cifar-10-batches-py", "CIFAR-100": "cifar-100-python"}
"""The folders that the official archives hold, by the titles of the data sets."""


def load_cifar(title: str, root: Path, preprocessing: Preprocessing, *, download: bool = True) -> ImageData:
    """The 50,000 training and 10,000 test images below `root`, downloaded there if they are not, and checked by MD5.

    CIFAR-100 with its 100 fine classes. Raises DataError if they are not there and cannot be had.
    """
    from torchvision import datasets
    from torchvision.datasets.utils import check_integrity

    kind = {"CIFAR-10": datasets.CIFAR10, "CIFAR-100": datasets.CIFAR100}[title]
    official = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]

    def damaged() -> list[str]:
        return [name for name, md5 in official if not check_integrity(root / kind.base_folder / name, md5)]

    if download:
        archive = OfficialFile(kind.filename, kind.tgz_md5, (kind.url,))
        obtain(title, root, [archive], whole=lambda: not damaged(), unpacked=kind.base_folder)
    elif missing := damaged():
        raise DataError(f"{root / kind.base_folder / missing[0]} is missing or damaged (by its MD5)")
    train, test = (kind(str(root), train=split) for split in (True, False))
    arrays = {"x_train": train.data, "y_train": train.targets, "x_test": test.data, "y_test": test.targets}
    name = title.lower().replace("-", "")
    return from_arrays(name, root, arrays, preprocessing, class_names=train.classes)
