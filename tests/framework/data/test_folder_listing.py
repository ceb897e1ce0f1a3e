"""Which files of a folder are classes and images, and what is said of the others."""

import unicodedata
from pathlib import Path

import pytest

from framework.data.folder_listing import list_folder
from framework.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for name in ("b", "a"):
            put(tmp_path / split / name / "1.png")
            put(tmp_path / split / name / "0.JPG")
    return tmp_path


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_files_stand_in_the_order_of_classes_and_names(root: Path) -> None:
    listing = list_folder(root)
    assert listing.classes == ("a", "b")
    names = [(str(file.relative_to(root)), label) for file, label in listing.files["train"]]
    assert names == [("train/a/0.JPG", 0), ("train/a/1.png", 0), ("train/b/0.JPG", 1), ("train/b/1.png", 1)]
    assert listing.warning(root) is None


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX", ".git"])
def test_what_is_hidden_is_passed_over_without_a_word(root: Path, name: str) -> None:
    for place in ("train", "train/a", "test/b"):
        put(root / place / name / "0.png")
    put(root / "train" / "a" / "._0.png")
    put(root / "train" / ".DS_Store")
    listing = list_folder(root)
    assert (listing.classes, len(listing.files["train"]), listing.warning(root)) == (("a", "b"), 4, None)


def test_what_is_left_out_is_counted_by_suffix_and_subfolder(root: Path) -> None:
    put(root / "train" / "beside.png")
    put(root / "train" / "a" / "clip.mp4")
    put(root / "test" / "a" / "LABELS")
    for number in range(7):
        put(root / "train" / "b" / f"more{number}" / "deep" / "0.png")
    put(root / "train" / "b" / "more0" / "deep" / ".hidden.png")
    (root / "train" / "b" / "more0" / "circle").symlink_to(root / "train", target_is_directory=True)
    listing = list_folder(root)
    assert dict(listing.left_out) == {".png": 8, ".mp4": 1, "without a suffix": 1}
    said = str(listing.warning(root))
    assert "files left out: 10 (1 .mp4, 8 .png, 1 without a suffix); images are .png, .jpg" in said
    assert said.count("/deep") == 5 and said.endswith(" and 2 others")


def test_the_suffixes_are_listed_only_where_another_was_found(root: Path) -> None:
    put(root / "train" / "a" / "more" / "0.png")
    said = f"{root}: files left out: 1 (1 .png); subfolders of a class are not read: train/a/more"
    assert list_folder(root).warning(root) == said


def test_a_name_in_two_unicode_forms_is_one_class_across_splits_and_refused_within_one(root: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Käuze") for form in ("NFC", "NFD"))
    put(root / "train" / decomposed / "0.png")
    put(root / "test" / composed / "0.png")
    listing = list_folder(root)
    assert listing.classes == (composed, "a", "b")
    assert listing.files["train"][0][0].parent.name == decomposed
    put(root / "train" / composed / "1.png")
    with pytest.raises(DataError, match=r"twice, in two Unicode forms: 'Ka\\u0308uze' and 'K\\xe4uze'"):
        list_folder(root)
