"""What all data sets have in common, and the digits."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from framework.data import registry
from framework.data.image_data import ImageData, Named
from framework.data.preprocessing import Preprocessing
from framework.data.registry import cache_folder, open_named
from framework.errors import DataError


def opened(data: Named, cache: Path, *, size: int = 12) -> ImageData:
    return open_named(data, Preprocessing(size), cache)


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data at"):
        opened(tmp_path / "nowhere", tmp_path)


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read .*too long"):
        opened(tmp_path / ("a" * 300), tmp_path)


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown data set 'cifar', did you mean 'cifar10'"):
        opened("cifar", tmp_path)


def test_importing_the_readers_is_light() -> None:
    heavy = "{'torch', 'torchvision', 'sklearn', 'cv2', 'click'}"
    code = f"import sys, framework.data.registry; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_digits_are_real_stratified_and_always_split_alike(tmp_path: Path) -> None:
    data = opened("digits", tmp_path, size=32)
    assert data.train_images.shape == (1437, 32, 32, 3)
    assert data.test_images.shape == (360, 32, 32, 3)
    assert np.bincount(data.test_labels).min() >= 34
    assert data.fingerprint() == opened("digits", tmp_path, size=32).fingerprint()
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


def test_a_registered_reader_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_READERS", dict(registry._READERS))
    digits = open_named("digits", Preprocessing(8))
    registry.register_dataset(
        "mine", lambda preprocessing, cache: dataclasses.replace(digits, name=f"{preprocessing.size} {cache}")
    )
    assert "mine" in registry.dataset_names()
    assert opened("mine", tmp_path).name == f"12 {tmp_path}"


def test_a_name_is_taken_before_a_folder_and_a_path_never_for_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = np.zeros((4, 8, 8), np.uint8), np.arange(4) % 2
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()
    np.savez("own", x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert opened("digits", tmp_path).name == "digits" and opened("own.npz", tmp_path).name == "own"
    for path in ("./digits", Path("digits")):
        with pytest.raises(DataError, match="digits holds no class folders"):
            opened(path, tmp_path)


def plug_in(folder: Path, *entries: str, name: str = "plugged") -> None:
    """What pip leaves of a package whose module `readers` has the data set `squares`."""
    folder.joinpath("readers.py").write_text(
        "import numpy as np\n"
        "from framework.data.arrays import from_arrays\n"
        "def squares(preprocessing, cache):\n"
        "    x, y = np.full((6, 48, 48), 7, np.uint8), np.arange(6) % 2\n"
        "    arrays = {'x_train': x, 'y_train': y, 'x_test': x, 'y_test': y}\n"
        "    return from_arrays('squares', cache, arrays, preprocessing)\n"
    )
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *entries]))


def test_an_installed_package_adds_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, "squares = readers:squares", "broken = readers:nothing", "digits = readers:squares")
    monkeypatch.syspath_prepend(tmp_path)
    assert {"squares", "broken", "digits"} <= set(registry.dataset_names())
    assert opened("squares", tmp_path, size=16).train_images.shape == (6, 16, 16, 1)
    assert open_named("squares", Preprocessing(None)).train_images.shape == (6, 48, 48, 1)
    with pytest.raises(DataError, match="data set 'readers:nothing' cannot be loaded: AttributeError"):
        opened("broken", tmp_path)
    with pytest.raises(DataError, match="'digits' is registered by this program and again by readers:squares"):
        opened("digits", tmp_path)
