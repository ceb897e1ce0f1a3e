"""A folder of class folders: its pixels, its cache, and what is refused."""

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from framework.errors import DataError


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


def opened(path: Path, cache: Path, *, size: int = 12) -> ImageData:
    return open_named(path, Preprocessing(size), cache)


def cached(cache: Path) -> list[Path]:
    """The decoded splits in a cache."""
    return sorted((cache / "folders").rglob("*.npy"))


def test_folder_gives_the_pixels_of_its_files(small_folder: Path, tmp_path: Path) -> None:
    data = opened(small_folder, tmp_path / "cache")
    assert data.name == "shapes"
    assert data.class_names == ("circle", "kreis\u00e9", "square")
    assert (len(data.train_images), len(data.test_images)) == (12, 6)
    assert data.train_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert np.array_equal(data.train_images[5], picture(100 + 1 + 28))
    assert np.array_equal(data.test_images[0], picture(14))


def spoil(folder: Path) -> None:
    """Makes every image undecodable without changing its size or time."""
    for file in folder.rglob("*.png"):
        times = file.stat()
        file.write_bytes(b"x" * times.st_size)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_cache_is_mapped_and_used_again(small_folder: Path, tmp_path: Path) -> None:
    first = opened(small_folder, tmp_path / "cache")
    assert isinstance(first.train_images, np.memmap)
    spoil(small_folder)
    assert opened(small_folder, tmp_path / "cache").fingerprint() == first.fingerprint()


@pytest.mark.parametrize("change", ["content", "added", "removed", "renamed"])
def test_a_changed_split_alone_is_decoded_again(small_folder: Path, tmp_path: Path, change: str) -> None:
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
    spoil(small_folder / "test")
    assert opened(small_folder, tmp_path / "cache").fingerprint() != first
    assert len(cached(tmp_path / "cache")) == 2  # the former one is gone


@pytest.mark.parametrize("damage", ["cut", "emptied", "overwritten", "gone"])
def test_a_damaged_cache_is_made_anew(small_folder: Path, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    first = opened(small_folder, cache).fingerprint()
    for file in cached(cache):
        content = file.read_bytes()
        file.unlink()
        if damage != "gone":
            file.write_bytes({"cut": content[:-1], "emptied": b"", "overwritten": b"x" * len(content)}[damage])
    assert opened(small_folder, cache).fingerprint() == first
    assert len(cached(cache)) == 2


def test_images_stay_readable_while_another_process_makes_them_anew(small_folder: Path, tmp_path: Path) -> None:
    data = opened(small_folder, tmp_path / "cache")
    before = data.fingerprint()
    write_picture(small_folder / "train" / "circle" / "0.png", picture(5, 13, 13))
    shutil.rmtree(tmp_path / "cache")
    assert opened(small_folder, tmp_path / "cache").fingerprint() != before
    assert data.fingerprint() == before


def test_each_size_and_each_folder_has_its_own_cache(small_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(small_folder, tmp_path / "copy")
    for path, size in ((small_folder, 12), (small_folder, 16), (tmp_path / "copy", 12)):
        assert opened(path, tmp_path / "cache", size=size).train_images.shape == (12, size, size, 3)
    assert len(cached(tmp_path / "cache")) == 6


def test_each_fit_and_background_has_its_own_cache_which_says_what_was_resized(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            write_picture(tmp_path / "wide" / split / name / "0.png", picture(1, 6, 12))
            write_picture(tmp_path / "wide" / split / name / "1.png", picture(2))
    caplog.set_level("INFO", logger="framework")
    for fit, background in (("stretch", "white"), ("pad", "white"), ("pad", "black")):
        for _ in range(2):  # decoded, and out of the cache
            preprocessing = Preprocessing(12, fit, background)
            data = open_named(tmp_path / "wide", preprocessing, tmp_path / "c")
            corner = {"white": 255, "black": 0}[background]
            assert fit == "stretch" or (data.train_images[0, 0] == corner).all()
            assert "wide: 4 of 8 images are resized to 12x12 pixels; 4 are not square" in caplog.messages[-1]
    assert len(caplog.messages) == 6
    assert len(cached(tmp_path / "c")) == 6


def test_nothing_is_ever_written_into_the_folder(small_folder: Path, tmp_path: Path) -> None:
    def stamps() -> dict[Path, int]:
        return {entry: entry.stat().st_mtime_ns for entry in (small_folder, *small_folder.rglob("*"))}

    before = stamps()
    for entry in before:
        entry.chmod(0o555 if entry.is_dir() else 0o444)
    opened(small_folder, tmp_path / "cache")
    assert stamps() == before  # a folder's time tells even of a file that came and went
    for entry in before:
        entry.chmod(0o755)


def test_a_cache_that_cannot_be_written_is_named(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write the image cache .*file"):
        opened(small_folder, tmp_path / "file")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="cannot write the image cache .* No space left"):
        opened(small_folder, tmp_path / "cache")
    assert not [entry for entry in (tmp_path / "cache").rglob("*") if entry.is_file()]


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
    assert len(cached(tmp_path / "cache")) == 2
    assert not list((tmp_path / "cache").rglob("building-*"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root / "test"), "lacks the folder test/"),
        (lambda root: shutil.rmtree(root / "test" / "circle"), "the class 'circle' stands in train/ alone"),
        (lambda root: [f.unlink() for f in (root / "train" / "circle").iterdir()], "circle holds no images"),
        (lambda root: [shutil.rmtree(f) for f in (root / "train").iterdir()], "holds no class folders"),
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


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_cut_off_or_half_written_image_is_named(
    small_folder: Path, tmp_path: Path, suffix: str, share: float
) -> None:
    target = small_folder / "train" / "circle" / f"broken{suffix}"
    write_picture(target, picture(1, 32, 32))
    opened(small_folder, tmp_path / "cache")
    content = target.read_bytes()
    kept = content[: int(len(content) * share)]
    for broken in (kept, kept.ljust(len(content), b"\0")):
        target.write_bytes(broken)
        with pytest.raises(DataError, match=rf"circle/broken\{suffix} is not an image"):
            opened(small_folder, tmp_path / "cache2")


def test_a_file_that_cannot_be_read_is_named(small_folder: Path, tmp_path: Path) -> None:
    link = small_folder / "train" / "circle" / "link.png"
    link.symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"cannot read .*circle/link\.png: No such file"):
        opened(small_folder, tmp_path / "cache")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_device_among_the_images_is_named_and_not_waited_for(
    small_folder: Path, tmp_path: Path, kind: str
) -> None:
    place = small_folder / "train" / "circle" / "odd.png"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/null")
    with pytest.raises(DataError, match=r"circle/odd\.png is no regular file"):
        opened(small_folder, tmp_path / "cache")


def test_names_need_not_be_utf8(small_folder: Path, tmp_path: Path) -> None:
    try:
        for split in ("train", "test"):
            write_picture(small_folder / split / os.fsdecode(b"\xff") / os.fsdecode(b"\xfe.png"), picture(3))
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    data = opened(small_folder, tmp_path / "cache")
    assert data.num_classes == 4
    assert len(data.fingerprint()) == 64
