"""Folder, .npz and digits; the download has its own file."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from framework.data import channel_statistics
from framework.errors import DataError, EmberfieldError
from framework.sources import ImageData, cache_folder, open_data
from framework.sources import folder as folder_module


def picture(seed: int, height: int = 12, width: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_picture(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, content = cv2.imencode(path.suffix, image[:, :, ::-1])
    assert done
    path.write_bytes(content.tobytes())


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    root = tmp_path / "shapes"
    for split, count in (("train", 4), ("test", 2)):
        for label, name in enumerate(("circle", "kreis\u00e9", "square")):
            for number in range(count):
                write_picture(root / split / name / f"{number}.png", picture(100 * label + number + 7 * count))
    return root


def opened(path: Path | None, cache: Path, *, size: int = 12, dataset: str | None = None) -> ImageData:
    return open_data(path=path, dataset=dataset, image_size=size, cache=cache, notify=pytest.fail)


def test_folder_gives_the_pixels_of_its_files(small_folder: Path, tmp_path: Path) -> None:
    data = opened(small_folder, tmp_path / "cache")
    assert data.name == "shapes"
    assert data.class_names == ("circle", "kreis\u00e9", "square")
    assert (len(data.train_images), len(data.test_images)) == (12, 6)
    assert data.train_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert np.array_equal(data.train_images[5], picture(100 + 1 + 28))
    assert np.array_equal(data.test_images[0], picture(14))


def test_cache_is_mapped_used_again_and_outside_the_folder(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(small_folder.rglob("*"))
    first = opened(small_folder, tmp_path / "cache")
    assert isinstance(first.train_images, np.memmap)
    assert sorted(small_folder.rglob("*")) == before
    monkeypatch.setattr(folder_module, "read_image", lambda *_: pytest.fail("decoded again"))
    assert opened(small_folder, tmp_path / "cache").fingerprint() == first.fingerprint()


@pytest.mark.parametrize("change", ["content", "added", "removed", "renamed"])
def test_a_changed_folder_is_decoded_again(small_folder: Path, tmp_path: Path, change: str) -> None:
    first = opened(small_folder, tmp_path / "cache").fingerprint()
    target = small_folder / "train" / "circle" / "0.png"
    if change == "content":
        times = target.stat()
        write_picture(target, picture(999))
        os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    elif change == "added":
        write_picture(target.with_name("9.png"), picture(9))
    elif change == "removed":
        target.unlink()
    else:
        target.rename(target.with_name("z.png"))
    assert opened(small_folder, tmp_path / "cache").fingerprint() != first


def test_sizes_and_formats_are_brought_to_one(tmp_path: Path) -> None:
    flat = np.full((40, 30, 3), (200, 100, 50), np.uint8)
    for split in ("train", "test"):
        write_picture(tmp_path / "mixed" / split / "a" / "large.jpg", flat)
        write_picture(tmp_path / "mixed" / split / "a" / "small.PNG", flat[:5, :7])
        write_picture(tmp_path / "mixed" / split / "b" / "same.jpeg", flat[:16, :16])
        (tmp_path / "mixed" / split / "a" / "notes.txt").write_text("no image")
    data = opened(tmp_path / "mixed", tmp_path / "cache", size=16)
    assert data.train_images.shape == (3, 16, 16, 3)
    assert np.abs(data.train_images.astype(int) - (200, 100, 50)).max() <= 2


def test_grey_png_becomes_rgb(tmp_path: Path) -> None:
    grey = np.arange(144, dtype=np.uint8).reshape(12, 12)
    for split in ("train", "test"):
        path = tmp_path / "grey" / split / "a" / "0.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), grey)
    assert np.array_equal(opened(tmp_path / "grey", tmp_path).train_images[0], np.repeat(grey[..., None], 3, 2))


def test_two_builders_at_once_agree(small_folder: Path, tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(opened(small_folder, tmp_path / "cache").fingerprint()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(list((tmp_path / "cache" / "folders").iterdir())) == 1


def remove_tree(path: Path) -> None:
    for file in sorted(path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    path.rmdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: remove_tree(root / "test"), "lacks the folder test/"),
        (lambda root: remove_tree(root / "test" / "circle"), "the class 'circle' stands in train/ alone"),
        (lambda root: [f.unlink() for f in (root / "train" / "circle").iterdir()], "circle holds no images"),
        (lambda root: [remove_tree(f) for f in (root / "train").iterdir()], "holds no class folders"),
        (lambda root: (root / "train" / "square" / "1.png").write_bytes(b""), "square/1.png is not an image"),
        (lambda root: (root / "test" / "square" / "1.png").write_bytes(b"x" * 99), "square/1.png is not an image"),
    ],
)
def test_a_damaged_folder_is_named(
    small_folder: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(small_folder)
    with pytest.raises(DataError, match=message):
        opened(small_folder, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("building-*"))


def test_a_cut_off_png_is_named(small_folder: Path, tmp_path: Path) -> None:
    target = small_folder / "train" / "circle" / "2.png"
    target.write_bytes(target.read_bytes()[:40])
    with pytest.raises(DataError, match=r"circle/2\.png"):
        opened(small_folder, tmp_path / "cache")


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data at"):
        opened(tmp_path / "nowhere", tmp_path)


def test_path_and_name_together_are_refused(small_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EmberfieldError, match="not both"):
        opened(small_folder, tmp_path, dataset="digits")


def write_npz(path: Path, **changes: object) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict = {
        "x_train": rng.integers(0, 256, (6, 12, 12, 3), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2], np.uint8),
        "x_test": rng.integers(0, 256, (3, 12, 12, 3), dtype=np.uint8),
        "y_test": np.array([[2], [1], [0]]),
    } | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_npz_colour(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "mine.npz", class_names=np.array(["x", "y", "z"]))
    data = opened(path, tmp_path)
    with np.load(path) as file:
        assert np.array_equal(data.train_images, file["x_train"])
    assert (data.name, data.class_names, data.test_labels.tolist()) == ("mine", ("x", "y", "z"), [2, 1, 0])


def test_npz_grey_keeps_one_channel_and_is_resized(tmp_path: Path) -> None:
    grey = {"x_train": np.full((6, 9, 9), 77, np.uint8), "x_test": np.full((3, 9, 9, 1), 77, np.uint8)}
    data = opened(write_npz(tmp_path / "grey.npz", **grey), tmp_path, size=12)
    assert data.train_images.shape == (6, 12, 12, 1)
    assert (data.train_images == 77).all()
    assert data.channels == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": None}, "lacks x_test; it has"),
        ({"x_train": np.zeros((6, 12, 12, 3))}, "x_train is float64; images are uint8"),
        ({"x_train": np.zeros((6, 12), np.uint8)}, r"x_train has shape \(6, 12\)"),
        ({"x_train": np.zeros((6, 12, 12, 4), np.uint8)}, "x_train has shape"),
        ({"y_train": np.zeros(6)}, "y_train is float64"),
        ({"y_train": np.zeros(5, np.int64)}, "training labels are int64"),
        ({"y_train": np.array([0, -1, 0, 0, 0, 0])}, "labels run from -1"),
        ({"x_train": np.zeros((0, 12, 12, 3), np.uint8), "y_train": np.zeros(0, np.int64)}, "x_train has shape"),
        ({"y_test": np.array([None] * 3)}, "cannot be read"),
        ({"class_names": np.array(["one"])}, "labels run from 0 to 2, valid: 0 to 0"),
        ({"x_test": np.zeros((3, 12, 12, 1), np.uint8)}, "test images"),
    ],
)
def test_wrong_npz_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(write_npz(tmp_path / "wrong.npz", **changes), tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 100, 900])
def test_a_cut_off_npz_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_npz(tmp_path / "cut.npz")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cut\.npz"):
        opened(path, tmp_path)


def test_a_single_array_is_not_an_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"is not a \.npz file"):
        opened(tmp_path / "one.npy", tmp_path)


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


@pytest.mark.cifar10
def test_the_whole_of_cifar10(cifar10_folder: Path) -> None:
    data = open_data(path=cifar10_folder, dataset=None, image_size=32, cache=cache_folder(), notify=pytest.fail)
    assert data.train_images.shape == (50_000, 32, 32, 3)
    assert data.test_images.shape == (10_000, 32, 32, 3)
    assert np.bincount(data.train_labels).tolist() == [5000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    statistics = channel_statistics(data.train_images)
    assert [round(mean, 4) for mean in statistics.mean] == [0.4914, 0.4822, 0.4465]
    assert [round(std, 4) for std in statistics.std] == [0.2470, 0.2435, 0.2616]
