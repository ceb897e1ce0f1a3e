"""What all data sets have in common, the digits, and the whole CIFAR-10 as a folder."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from framework.data import registry
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.data.registry import cache_folder, open_data, open_named
from framework.data.statistics import channel_statistics
from framework.errors import DataError, EmberfieldError


def opened(path: Path | None, cache: Path, *, size: int = 12, dataset: str | None = None) -> ImageData:
    return open_data(path=path, dataset=dataset, preprocessing=Preprocessing(size), cache=cache)


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data at"):
        opened(tmp_path / "nowhere", tmp_path)


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read .*too long"):
        opened(tmp_path / ("a" * 300), tmp_path)


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(EmberfieldError, match="unknown data set 'cifar', did you mean 'cifar10'"):
        opened(None, tmp_path, dataset="cifar")


def test_importing_the_readers_is_light() -> None:
    heavy = "{'torch', 'torchvision', 'sklearn', 'cv2', 'click'}"
    code = f"import sys, framework.data.registry; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_path_and_name_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EmberfieldError, match="not both"):
        opened(tmp_path, tmp_path, dataset="digits")


def test_digits_are_real_stratified_and_always_split_alike(tmp_path: Path) -> None:
    data = opened(None, tmp_path, size=32, dataset="digits")
    assert data.train_images.shape == (1437, 32, 32, 3)
    assert data.test_images.shape == (360, 32, 32, 3)
    assert np.bincount(data.test_labels).min() >= 34
    assert data.fingerprint() == opened(None, tmp_path, size=32, dataset="digits").fingerprint()
    assert (data.train_images[..., 0] == data.train_images[..., 2]).all()


def test_fingerprint_changes_with_one_pixel_label_or_name(tmp_path: Path) -> None:
    images, labels = np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 1, 1])
    parts: dict = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    original = ImageData(name="a", class_names=("x", "y"), **parts).fingerprint()
    pixel = images.copy()
    pixel[2, 1, 1, 0] = 1
    for changes in ({"test_images": pixel}, {"train_labels": labels[::-1].copy()}, {"class_names": ("x", "z")}):
        changed = ImageData(**({"name": "a", "class_names": ("x", "y")} | parts | changes))
        assert changed.fingerprint() != original


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EMBERFIELD_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("EMBERFIELD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "emberfield"


def test_images_are_named_by_data_set_path_or_taken_from_memory(tmp_path: Path) -> None:
    digits = open_named("digits", Preprocessing(12))
    assert (digits.name, digits.train_images.shape[1:]) == ("digits", (12, 12, 3))
    assert open_named(digits, Preprocessing(99)) is digits
    path = tmp_path / "digits.npz"
    arrays = {"x_train": digits.train_images[:50], "y_train": digits.train_labels[:50]}
    np.savez(path, **arrays, x_test=digits.test_images, y_test=digits.test_labels)
    assert np.array_equal(
        open_named(path, Preprocessing(12)).train_images, open_named(str(path), Preprocessing(12)).train_images
    )
    with pytest.raises(DataError, match=r"no data at digits:"):
        open_named(Path("digits"), Preprocessing(12))  # a path is never a data set's name
    with pytest.raises(EmberfieldError, match="not both"):
        open_named("digits", Preprocessing(12), dataset="digits")


def test_a_registered_reader_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_READERS", dict(registry._READERS))
    digits = open_named("digits", Preprocessing(8))
    registry.register_dataset(
        "mine", lambda image_size, cache: dataclasses.replace(digits, name=f"{image_size} {cache}")
    )
    assert "mine" in registry.dataset_names()
    assert opened(None, tmp_path, dataset="mine").name == f"12 {tmp_path}"


@pytest.mark.cifar10
def test_the_whole_of_cifar10(cifar10_folder: Path) -> None:
    data = open_data(path=cifar10_folder, dataset=None, preprocessing=Preprocessing(32), cache=cache_folder())
    assert data.train_images.shape == (50_000, 32, 32, 3)
    assert data.test_images.shape == (10_000, 32, 32, 3)
    assert np.bincount(data.train_labels).tolist() == [5000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    statistics = channel_statistics(data.train_images)
    assert [round(mean, 4) for mean in statistics.mean] == [0.4914, 0.4822, 0.4465]
    assert [round(std, 4) for std in statistics.std] == [0.2470, 0.2435, 0.2616]
