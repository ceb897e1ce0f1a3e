"""Tiny ImageNet (Le and Yang 2015) in the layout of its own archive."""

from collections import Counter
from pathlib import Path

from framework.data.download import OfficialFile, obtain
from framework.data.folder_listing import Listing
from framework.data.image_file import SUFFIXES
from framework.errors import DataError

FOLDER = "tiny-imagenet-200"
ARCHIVE = OfficialFile(
    f"{FOLDER}.zip", "90528d7ca1a48142e341f4ef8d21d0de", (f"http://cs231n.stanford.edu/{FOLDER}.zip",)
)


def obtain_tiny_imagenet(cache: Path) -> Path:
    """The folder of the 200 classes in a cache, downloaded and unpacked there if need be.

    Raises DataError if it cannot be had.
    """
    root = cache / "tiny_imagenet"
    obtain("Tiny ImageNet", root, [ARCHIVE], whole=(root / FOLDER).is_dir, unpacked=FOLDER)
    return root / FOLDER


def is_tiny_imagenet(path: Path) -> bool:
    """Whether a folder has Tiny ImageNet's list of classes."""
    return (path / "wnids.txt").is_file()


def list_tiny_imagenet(path: Path) -> Listing:
    """The images of train/<wnid>/images/* and, as the test set, of val/images/*, 64 pixels wide and high.

    The classes of wnids.txt are in alphabetical order; each is called by the first word for it in words.txt, and by its
    wnid where there is none. The images of test/ have no labels. Raises DataError for a file that is missing, and for
    one that val_annotations.txt gives a class that wnids.txt does not have.
    """
    wnids = sorted(set(_read(path / "wnids.txt").split()))
    listing = Listing(_names(path, wnids), {"train": [], "test": []}, image_size=64)
    for label, wnid in enumerate(wnids):
        folder = path / "train" / wnid / "images"
        files = sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES)
        if not files:
            raise DataError(f"{folder} holds no images, and {path / 'wnids.txt'} has the class {wnid!r}")
        listing.files["train"] += [(file, label) for file in files]
    annotations = path / "val" / "val_annotations.txt"
    for number, line in enumerate(_read(annotations).splitlines(), 1):
        name, wnid, *_ = [*line.split("\t"), ""]
        file = path / "val" / "images" / name
        if wnid not in wnids:
            raise DataError(f"{annotations}, line {number}: {wnid!r} is not a class of wnids.txt")
        if not file.is_file():
            raise DataError(f"{annotations}, line {number}: there is no {file}")
        listing.files["test"].append((file, wnids.index(wnid)))
    listing.note = "the images of test/ have no labels: val/ is the test set"
    return listing


def _names(path: Path, wnids: list[str]) -> tuple[str, ...]:
    """The classes' names; a word that several classes begin with is followed by the wnid."""
    words: dict[str, str] = {}
    if (path / "words.txt").is_file():
        lines = (line.partition("\t") for line in _read(path / "words.txt").splitlines())
        words = {wnid: text.split(",")[0].strip() for wnid, _, text in lines}
    first = [words.get(wnid) or wnid for wnid in wnids]
    uses = Counter(first)
    return tuple(name if uses[name] == 1 else f"{name} ({wnid})" for name, wnid in zip(first, wnids, strict=True))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
