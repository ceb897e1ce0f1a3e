"""Which files of a folder are images of which class, and which are left out."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from framework.data.image_file import SUFFIXES
from framework.data.preprocessing import DEFAULT_SIZE
from framework.data.splits import VALIDATION, assign_splits, draw_test_split
from framework.errors import DataError

FORMS = "a folder of images holds train/<class>/* and test/<class>/*, or <class>/*"

NESTED = "images"
"""The subfolder of a class whose images are the class's."""


@dataclass
class Listing:
    """The class names, the files and labels of 'train' and 'test' by class and then name, and what was left out.

    The last `held_out` files of 'train' are the validation images that the folder itself keeps. `note` says how the
    splits came about, `image_size` is that of the images where none is set.
    """

    classes: tuple[str, ...]
    files: dict[str, list[tuple[Path, int]]]
    left_out: Counter[str] = field(default_factory=Counter)
    subfolders: list[str] = field(default_factory=list)
    held_out: int = 0
    note: str = ""
    image_size: int = DEFAULT_SIZE

    def warning(self, path: Path) -> str | None:
        """What to say of the files that were left out: how many of each suffix, and in which subfolders."""
        if not self.left_out:
            return None
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(self.left_out.items()))
        said = f"{path}: files left out: {self.left_out.total():,} ({kinds})"
        if any(suffix.lower() not in SUFFIXES for suffix in self.left_out):
            said += f"; images are {', '.join(SUFFIXES)}"
        if self.subfolders:
            said += f"; subfolders of a class are not read: {', '.join(self.subfolders[:5])}"
            said += f" and {len(self.subfolders) - 5:,} others" if len(self.subfolders) > 5 else ""
        return said


def list_folder(path: Path) -> Listing:
    """The images of train/<class>/* and test/<class>/*, with val/<class>/* beside them, or of <class>/* alone.

    Without test/, val/ is the test set; without any of them, a fifth of each class is, always the same. Classes are in
    alphabetical order, by their names in Unicode's normal form C. What is hidden, by a dot or as __MACOSX, is neither a
    class nor an image. Raises DataError for a split or class that is missing or empty.
    """
    present = [name for name in ("train", "test", *VALIDATION) if (path / name).is_dir()]
    if not present:
        return _without_splits(path)
    places, note = assign_splits(present)
    folders = {split: _class_folders(path, place) for split, place in places.items()}
    classes = tuple(sorted(set().union(*folders.values())))
    for name in classes:
        if len(found := [places[split] for split in places if name in folders[split]]) < len(places):
            raise DataError(f"{path}: the class {name!r} stands in {'/ and '.join(found)}/ alone")
    listing = Listing(classes, {}, note=note)
    for split, place in places.items():
        listing.files[split] = _labelled(path, path / place, folders[split], listing)
    own = listing.files.pop("val", [])
    listing.files["train"] += own
    listing.held_out = len(own)
    return listing


def images_in(folder: Path) -> list[Path]:
    """The visible images of a folder by name, without those of folders below. Raises DataError if there are none."""
    try:
        files = [Path(entry.path) for entry in _visible(folder) if not entry.is_dir()]
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from error
    if not (images := sorted(file for file in files if file.suffix.lower() in SUFFIXES)):
        raise _no_images(folder)
    return images


def _without_splits(path: Path) -> Listing:
    """The listing of class folders without train/ and test/; the split is a function of the images' labels alone."""
    try:
        folders = _class_folders(path, "")
        listing = Listing(tuple(sorted(folders)), {})
        files = _labelled(path, path, folders, listing)
    except DataError as error:
        raise DataError(f"{error}; {FORMS}") from error
    *indices, listing.note = draw_test_split(np.array([label for _, label in files]))
    for split, chosen in zip(("train", "test"), indices, strict=True):
        listing.files[split] = [files[index] for index in chosen]
    return listing


def _labelled(path: Path, place: Path, folders: dict[str, Path], listing: Listing) -> list[tuple[Path, int]]:
    """The images of a split with their labels; what is left out is counted."""
    for entry in _visible(place):
        if not entry.is_dir():
            listing.left_out[_suffix(entry.name)] += 1
    return [
        (file, label)
        for label, name in enumerate(listing.classes)
        for file in _image_files(path, folders[name], listing)
    ]


def _class_folders(path: Path, split: str) -> dict[str, Path]:
    """The class folders of a split by the normal form C of their names, which differs by system and archive."""
    if not (path / split).is_dir():
        raise DataError(f"{path} lacks the folder {split}/; {FORMS}")
    folders: dict[str, Path] = {}
    for entry in sorted(_visible(path / split), key=lambda entry: entry.name):
        if entry.is_dir():
            name = unicodedata.normalize("NFC", entry.name)
            if name in folders:
                both = f"{folders[name].name!a} and {entry.name!a}"
                raise DataError(f"{path / split} holds the class {name!r} twice, in two Unicode forms: {both}")
            folders[name] = Path(entry.path)
    if not folders:
        raise DataError(f"{path / split} holds no class folders")
    return folders


def _image_files(path: Path, folder: Path, listing: Listing) -> list[Path]:
    files = []
    for entry in _visible(folder):
        if entry.is_dir() and entry.name == NESTED:
            files += _image_files(path, Path(entry.path), listing)
        elif entry.is_dir():
            _leave_out(path, Path(entry.path), listing)
        elif _suffix(entry.name).lower() in SUFFIXES:
            files.append(Path(entry.path))
        else:
            listing.left_out[_suffix(entry.name)] += 1
    if not files:
        raise _no_images(folder)
    return sorted(files)


def _leave_out(path: Path, folder: Path, listing: Listing) -> None:
    """Counts the files of a subfolder of a class, and of its own subfolders."""
    suffixes = Counter(_suffix(entry.name) for entry in _visible(folder) if not entry.is_dir())
    if suffixes:
        listing.left_out += suffixes
        listing.subfolders.append(str(folder.relative_to(path)))
    for entry in _visible(folder):
        if entry.is_dir(follow_symlinks=False):  # a link may lead round in a circle
            _leave_out(path, Path(entry.path), listing)


def _no_images(folder: Path) -> DataError:
    return DataError(f"{folder} holds no images ({', '.join(SUFFIXES)})")


def _visible(folder: Path) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX")


def _suffix(name: str) -> str:
    return Path(name).suffix or "without a suffix"
