"""A folder with val/, without test/, or without splits: which images are for training, validation and testing."""

from pathlib import Path

import numpy as np
import pytest

from framework.config import Config
from framework.data.data_module import setup
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from framework.errors import DataError
from tests.framework.data.toys import write_image


def write_classes(folder: Path, grey: int, each: int, nested: str = "") -> None:
    """Two classes of uniform images, whose levels are `grey` and those that follow."""
    for label, name in enumerate(("a", "b")):
        for number in range(each):
            image = np.full((32, 32, 3), grey + label * each + number, np.uint8)
            write_image(folder / name / nested / f"{number:02}.png", image)


def levels(images: np.ndarray) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def opened(path: Path) -> ImageData:
    return open_named(path, Preprocessing(None), path.parent / "cache")


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_validation_images_of_a_folder_are_held_out(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBERFIELD_CACHE", str(tmp_path / "cache"))
    for place, grey, each in (("train", 0, 4), (name, 100, 2), ("test", 200, 1)):
        write_classes(tmp_path / "data" / place, grey, each)
    config = Config().updated({"data": str(tmp_path / "data"), "batch_size": 4})
    with caplog.at_level("INFO", logger="framework"):
        module = setup(config)
    data = module.data
    assert levels(data.train_images) == [*range(8), *range(100, 104)] and levels(data.test_images) == [200, 201]
    assert levels(data.train_images[module.held_out]) == [100, 101, 102, 103]
    assert levels(data.train_images[module.sampler.indices]) == list(range(8))
    assert data.train_labels.tolist() == [0] * 4 + [1] * 4 + [0, 0, 1, 1]
    assert f"{name} holds the validation images" in caplog.text and data.note in module.warnings
    drawn = setup(config.updated({"val_size": 2}))
    assert len(drawn.held_out) == 2 and len(drawn.sampler.indices) == 10
    other = ImageData(**{**vars(data), "held_out": None})
    assert other.fingerprint() != data.fingerprint() == opened(tmp_path / "data").fingerprint()


def test_without_a_test_split_the_validation_images_are_the_test_set(tmp_path: Path) -> None:
    write_classes(tmp_path / "data" / "train", 0, 4)
    write_classes(tmp_path / "data" / "val", 100, 2)
    data = opened(tmp_path / "data")
    assert levels(data.test_images) == [100, 101, 102, 103] and data.held_out is None
    assert data.note.startswith("there is no test split: val is the test set, and validation images are held out of")


def test_without_splits_a_fifth_of_each_class_is_the_test_set(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBERFIELD_CACHE", str(tmp_path / "cache"))
    write_classes(tmp_path / "data", 0, 10, nested="images")
    modules = []
    for seed in (0, 1):
        with caplog.at_level("INFO", logger="framework"):
            modules.append(setup(Config().updated({"data": str(tmp_path / "data"), "seed": seed, "batch_size": 4})))
    data = modules[0].data
    assert data.test_labels.tolist() == [0, 0, 1, 1] and len(data.train_labels) == 16
    assert sorted(levels(data.train_images) + levels(data.test_images)) == list(range(20))
    assert data.fingerprint() == modules[1].data.fingerprint()
    assert caplog.messages[0] == (
        "data: there are no train and test splits: a fifth of each class is the test set (4 images in all), "
        "always the same ones; 16 are left for training"
    )
    assert modules[0].warnings == [data.note]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (("test",), r"lacks the folder train/; a folder of images holds train/<class>/\* and test/<class>/\*, or"),
        (("val",), "lacks the folder train/; "),
        (("train", "test", "val/a"), "holds no class folders"),
        (("train", "test", "val", "val/c"), "the class 'c' stands in val/ alone"),
        (("nothing/here",), "nothing holds no images .*; a folder of images holds train/<class>"),
    ],
)
def test_a_split_that_is_missing_or_incomplete_is_refused(
    places: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    for place in places:
        if place == "nothing/here":
            (tmp_path / "data" / "nothing").mkdir(parents=True)
        elif place == "val/a":
            (tmp_path / "data" / "val").mkdir()
        elif place == "val/c":
            write_image(tmp_path / "data" / place / "0.png", np.zeros((8, 8, 3), np.uint8))
        else:
            write_classes(tmp_path / "data" / place, 0, 2)
    with pytest.raises(DataError, match=message):
        opened(tmp_path / "data")
