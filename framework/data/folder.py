"""A folder with train/<class>/* and test/<class>/*, decoded once into a cache that later runs map into memory."""

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from framework.data.image_data import ImageData, Images, Labels, resize
from framework.errors import DataError

SPLITS = ("train", "test")
SUFFIXES = (".png", ".jpg", ".jpeg")

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"


def read_image(path: Path, size: int, channels: int = 3) -> Images:
    """An image file as (size, size, channels), RGB or grey. Raises DataError, naming the file, if it is broken."""
    import cv2

    flag = cv2.IMREAD_COLOR_RGB if channels == 3 else cv2.IMREAD_GRAYSCALE
    try:
        content = path.read_bytes()
        # a JPEG whose tail was never written decodes to grey without an error
        whole = content and (not content.startswith(JPEG_START) or JPEG_END in content)
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flag) if whole else None
    except (OSError, cv2.error) as error:
        raise DataError(f"cannot read the image {path}: {error}") from error
    if image is None:
        raise DataError(f"{path} is not an image, or a broken one")
    return resize(np.asarray(image, np.uint8).reshape(*image.shape[:2], channels), size)


def load_folder(path: Path, image_size: int, cache: Path) -> ImageData:
    """The images of a folder as RGB of `image_size`, with the folder's name and its classes in alphabetical order.

    `cache` is a folder for the decoded images, outside `path`; a split is decoded again when a file in it has been
    added, removed or changed (by size or time). Raises DataError for a split or class that is missing or empty, and
    for a broken image; OSError where the folder cannot be read.
    """
    path = path.resolve()
    classes, files = _listing(path)
    place = cache / "folders" / hashlib.sha256(os.fsencode(f"{path}\0{image_size}")).hexdigest()

    def arrays(split: str) -> tuple[Images, Labels]:
        images = _decoded(path, [file for file, _ in files[split]], image_size, place / split)
        return images, np.array([label for _, label in files[split]], np.int64)

    return ImageData(_text(path.name), *arrays("train"), *arrays("test"), tuple(map(_text, classes)))


def _text(name: str) -> str:
    """A file's name as text that every format takes: bytes that are not UTF-8 as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _listing(path: Path) -> tuple[tuple[str, ...], dict[str, list[tuple[Path, int]]]]:
    """The class names, and the files and labels of each split, in the order of classes and then file names."""
    names = {split: _class_names(path, split) for split in SPLITS}
    if odd := sorted(set(names["train"]) ^ set(names["test"])):
        where = "train" if odd[0] in names["train"] else "test"
        raise DataError(f"{path}: the class {odd[0]!r} stands in {where}/ alone")
    files = {
        split: [(file, label) for label, name in enumerate(names[split]) for file in _image_files(path / split / name)]
        for split in SPLITS
    }
    return tuple(names["train"]), files


def _class_names(path: Path, split: str) -> list[str]:
    if not (path / split).is_dir():
        raise DataError(f"{path} lacks the folder {split}/; it takes train/<class>/* and test/<class>/*")
    names = sorted(entry.name for entry in (path / split).iterdir() if entry.is_dir())
    if not names:
        raise DataError(f"{path / split} holds no class folders")
    return names


def _image_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"{folder} holds no images ({', '.join(SUFFIXES)})")
    return files


def _decoded(root: Path, paths: Sequence[Path], image_size: int, place: Path) -> Images:
    """The images of a split, mapped from the file in `place` whose name is the hash of names, sizes and times."""
    manifest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        manifest.update(os.fsencode(f"{path.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\n"))
    target = place / f"{manifest.hexdigest()}.npy"
    try:
        mapped: Images = np.load(target, mmap_mode="r")
    except (OSError, EOFError, ValueError):  # not there, or cut off
        return _decode(paths, image_size, target)
    return mapped


def _decode(paths: Sequence[Path], image_size: int, target: Path) -> Images:
    """Decodes into `target`, which is whole or not there, and removes what was decoded before the folder changed.

    The images are mapped before the file takes its name, so that another process that builds or removes the same
    file harms nobody. Raises DataError for a broken image and for a cache that cannot be written.
    """
    building = target.with_name(f"building-{uuid.uuid4().hex}")
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), image_size, image_size, 3)}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with building.open("xb") as file:  # not a writable map: on a full disk that kills the process
                np.lib.format.write_array_header_1_0(file, header)
                for images in _read_images(paths, image_size):
                    file.write(images.data)
                file.flush()
                os.fsync(file.fileno())
            mapped: Images = np.load(building, mmap_mode="r")
            building.replace(target)
        finally:
            building.unlink(missing_ok=True)
        for former in target.parent.glob("*.npy"):
            if former != target:
                former.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot write the image cache {target.parent}: {error.strerror}") from error
    return mapped


def _read_images(paths: Sequence[Path], image_size: int, chunk: int = 1000) -> Iterator[Images]:
    """The images in order, decoded in parallel, `chunk` at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), chunk):
            yield np.stack(list(pool.map(lambda path: read_image(path, image_size), paths[start : start + chunk])))
