"""The Street View House Numbers (Netzer et al. 2011), cropped digits, through torchvision."""

from pathlib import Path
from typing import Any

from framework.data.arrays import from_arrays
from framework.data.download import OfficialFile, obtain
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.errors import DataError


def load_svhn(root: Path, preprocessing: Preprocessing, *, download: bool = True) -> ImageData:
    """73,257 training and 26,032 test images of 32x32 pixels in `root`, downloaded if need be, and checked by MD5.

    The extra training images are left out. Raises DataError if they are not there and cannot be had.
    """
    from torchvision.datasets import SVHN

    files = [OfficialFile(name, md5, (url,)) for url, name, md5 in (SVHN.split_list["train"], SVHN.split_list["test"])]
    if download:
        obtain("SVHN", root, files)
    elif damaged := [file.name for file in files if not file.is_whole(root)]:
        raise DataError(f"{root / damaged[0]} is missing or damaged (by its MD5)")
    arrays: dict[str, Any] = {}
    for split in ("train", "test"):
        part = SVHN(str(root), split)
        arrays |= {f"x_{split}": part.data.transpose(0, 2, 3, 1), f"y_{split}": part.labels}
    return from_arrays("svhn", root, arrays, preprocessing, class_names=[str(digit) for digit in range(10)])
