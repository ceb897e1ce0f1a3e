"""A folder with train/<class>/* and test/<class>/*, decoded once into a cache that later runs map into memory."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from framework.errors import DataError
from framework.sources.image_data import ImageData, Images
from framework.sources.resizing import resize

SPLITS = ("train", "test")
SUFFIXES = (".png", ".jpg", ".jpeg")


def read_image(path: Path, size: int, channels: int = 3) -> Images:
    """An image file as (size, size, channels), RGB or grey. Raises DataError, naming the file, if it is broken."""
    import cv2

    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
        flag = cv2.IMREAD_COLOR_RGB if channels == 3 else cv2.IMREAD_GRAYSCALE
        image = cv2.imdecode(content, flag) if content.size else None
    except (OSError, cv2.error) as error:
        raise DataError(f"cannot read the image {path}: {error}") from error
    if image is None:
        raise DataError(f"{path} is not an image, or a broken one")
    return resize(np.asarray(image, np.uint8).reshape(*image.shape[:2], channels), size)


def load_folder(path: Path, image_size: int, cache: Path) -> ImageData:
    """The images of a folder as RGB of `image_size`, with the folder's name and its classes in alphabetical order.

    `cache` is a folder for the decoded images, outside `path`; they are decoded again when a file has been added,
    removed or changed (by size or time). Raises DataError for a split or class that is missing or empty, and for a
    broken image.
    """
    path = path.resolve()
    classes, files = _listing(path)
    key = hashlib.sha256(f"{path}\0{image_size}\0".encode())
    for split in SPLITS:
        for file, label in files[split]:
            status = file.stat()
            key.update(f"{file.relative_to(path)}\0{label}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    decoded = cache / "folders" / key.hexdigest()
    if not decoded.is_dir():
        _decode(files, image_size, decoded)
    images = {split: np.load(decoded / f"{split}.npy", mmap_mode="r") for split in SPLITS}
    labels = {split: np.array([label for _, label in files[split]], np.int64) for split in SPLITS}
    return ImageData(
        name=path.name,
        train_images=images["train"],
        train_labels=labels["train"],
        test_images=images["test"],
        test_labels=labels["test"],
        class_names=classes,
    )


def _listing(path: Path) -> tuple[tuple[str, ...], dict[str, list[tuple[Path, int]]]]:
    """The class names, and the files and labels of each split, in the order of classes and then file names."""
    names = {}
    for split in SPLITS:
        if not (path / split).is_dir():
            raise DataError(f"{path} lacks the folder {split}/; it takes train/<class>/* and test/<class>/*")
        names[split] = sorted(entry.name for entry in (path / split).iterdir() if entry.is_dir())
        if not names[split]:
            raise DataError(f"{path / split} holds no class folders")
    if odd := sorted(set(names["train"]) ^ set(names["test"])):
        where = "train" if odd[0] in names["train"] else "test"
        raise DataError(f"{path}: the class {odd[0]!r} stands in {where}/ alone")
    files: dict[str, list[tuple[Path, int]]] = {}
    for split in SPLITS:
        files[split] = [
            (file, label)
            for label, name in enumerate(names[split])
            for file in sorted((path / split / name).iterdir())
            if file.suffix.lower() in SUFFIXES
        ]
        present = {label for _, label in files[split]}
        for label, name in enumerate(names[split]):
            if label not in present:
                raise DataError(f"{path / split / name} holds no images ({', '.join(SUFFIXES)})")
    return tuple(names["train"]), files


def _decode(files: dict[str, list[tuple[Path, int]]], image_size: int, decoded: Path) -> None:
    """Fills a folder beside `decoded` and renames it, so that a cache is whole or not there."""
    try:
        decoded.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=decoded.parent, prefix="building-"))
    except OSError as error:
        raise DataError(f"cannot write the image cache {decoded.parent}: {error.strerror}") from error
    try:
        for split in SPLITS:
            paths = [file for file, _ in files[split]]
            shape = (len(paths), image_size, image_size, 3)
            images = np.lib.format.open_memmap(building / f"{split}.npy", "w+", np.uint8, shape)
            for start, chunk in _decoded_chunks(paths, image_size):
                images[start : start + len(chunk)] = chunk
            images.flush()
        try:
            building.rename(decoded)
        except OSError:
            if not decoded.is_dir():  # else another process was faster, with the same images
                raise
    except OSError as error:
        raise DataError(f"cannot write the image cache {decoded}: {error.strerror}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _decoded_chunks(paths: Sequence[Path], image_size: int, chunk: int = 1000) -> Iterator[tuple[int, Images]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), chunk):
            yield start, np.stack(list(pool.map(lambda p: read_image(p, image_size), paths[start : start + chunk])))
