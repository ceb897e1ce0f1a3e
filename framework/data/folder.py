"""A folder of image files, decoded once into a cache that later runs map into memory."""

import hashlib
import json
import logging
import os
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from framework.data.folder_listing import Listing, list_folder
from framework.data.image_data import ImageData, Images, Labels
from framework.data.image_file import decode_image
from framework.data.preprocessing import Preprocessing, fit_image, log_resizing
from framework.errors import DataError
from framework.run.environment import process_rank

logger = logging.getLogger(__name__)

Shape = tuple[int, ...]


def load_folder(
    path: Path,
    preprocessing: Preprocessing,
    cache: Path,
    *,
    name: str | None = None,
    list_files: Callable[[Path], Listing] = list_folder,
) -> ImageData:
    """The images of a folder, as `list_files` finds them, as RGB of one size.

    They have the folder's name, or another one. What is left out and what is resized is logged. `cache` is a folder for
    the decoded images, outside `path`; a split is decoded again when a file in it has been added, removed or changed
    (by size or time). Raises DataError for a split or class that is missing or empty, and for a broken image; OSError
    where the folder cannot be read.
    """
    path = path.resolve()
    listing = list_files(path)
    preprocessing = preprocessing.with_size(listing.image_size)
    size, fit, background = preprocessing.size, preprocessing.fit, preprocessing.background
    key = os.fsencode(f"{path}\0{size}\0{fit}\0{background}")
    place = cache / "folders" / hashlib.sha256(key).hexdigest()
    counts: Counter[str] = Counter()

    def arrays(split: str) -> tuple[Images, Labels]:
        images, counted = _decoded(path, [file for file, _ in listing.files[split]], preprocessing, place / split)
        counts.update(counted)
        return images, np.array([label for _, label in listing.files[split]], np.int64)

    splits = (*arrays("train"), *arrays("test"))
    training, classes = len(splits[1]), tuple(map(as_text, listing.classes))
    held_out = np.arange(training - listing.held_out, training) if listing.held_out else None
    data = ImageData(name or as_text(path.name), *splits, classes, held_out=held_out, note=listing.note)
    if (warning := listing.warning(path)) and process_rank() == 0:
        logger.warning("%s", warning)
    images = len(data.train_labels) + len(data.test_labels)
    log_resizing(data.name, images, counts["resized"], counts["not_square"], preprocessing)
    return data


def as_text(name: str) -> str:
    """A file's name as text that every format takes: bytes that are not UTF-8 as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _decoded(
    root: Path, paths: Sequence[Path], preprocessing: Preprocessing, place: Path
) -> tuple[Images, dict[str, int]]:
    """The images of a split, mapped from the file in `place` whose name is the hash of names, sizes and times.

    And how many of them were 'resized' and 'not_square', from the JSON file beside it.
    """
    manifest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device read without end
            raise DataError(f"{path} is no regular file: images are files")
        manifest.update(os.fsencode(f"{path.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\n"))
    target = place / f"{manifest.hexdigest()}.npy"
    try:
        mapped: Images = np.load(target, mmap_mode="r")
        counts: dict[str, int] = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, EOFError, ValueError):  # not there, or cut off
        return _decode(paths, preprocessing, target)
    return mapped, counts


def _decode(paths: Sequence[Path], preprocessing: Preprocessing, target: Path) -> tuple[Images, dict[str, int]]:
    """Decodes into `target`, which is whole or not there, and removes what was decoded before the folder changed.

    The images are mapped before the file takes its name, so that another process that builds or removes the same
    file harms nobody. Raises DataError for a broken image and for a cache that cannot be written.
    """
    building = target.with_name(f"building-{uuid.uuid4().hex}")
    size, counts = preprocessing.size, {"resized": 0, "not_square": 0}
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), size, size, 3)}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with building.open("xb") as file:  # not a writable map: on a full disk that kills the process
                np.lib.format.write_array_header_1_0(file, header)
                for images, shapes in _read_images(paths, preprocessing):
                    file.write(images.data)
                    counts["resized"] += sum(shape[:2] != (size, size) for shape in shapes)
                    counts["not_square"] += sum(shape[0] != shape[1] for shape in shapes)
                file.flush()
                os.fsync(file.fileno())
            mapped: Images = np.load(building, mmap_mode="r")
            target.with_suffix(".json").write_text(json.dumps(counts), encoding="utf-8")
            building.replace(target)
        finally:
            building.unlink(missing_ok=True)
        for former in (*target.parent.glob("*.npy"), *target.parent.glob("*.json")):
            if former.stem != target.stem:
                former.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot write the image cache {target.parent}: {error.strerror}") from error
    return mapped, counts


def _read_images(
    paths: Sequence[Path], preprocessing: Preprocessing, chunk: int = 1000
) -> Iterator[tuple[Images, list[Shape]]]:
    """The images in order, decoded in parallel, `chunk` at a time, and the shapes that they had in their files."""

    def read(path: Path) -> tuple[Images, Shape]:
        image = decode_image(path, preprocessing)
        return fit_image(image, preprocessing), image.shape

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), chunk):
            images, shapes = zip(*pool.map(read, paths[start : start + chunk]), strict=True)
            yield np.stack(images), list(shapes)
