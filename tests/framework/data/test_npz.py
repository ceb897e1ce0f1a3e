"""One .npz file by Keras's names: what is taken, and that everything else is refused by name."""

import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from framework.errors import DataError


def opened(path: Path, *, size: int = 12) -> ImageData:
    return open_named(path, Preprocessing(size), path.parent / "cache")


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
    data = opened(path)
    with np.load(path) as file:
        assert np.array_equal(data.train_images, file["x_train"])
    assert (data.name, data.class_names, data.test_labels.tolist()) == ("mine", ("x", "y", "z"), [2, 1, 0])


def test_npz_grey_keeps_one_channel_and_is_resized(tmp_path: Path) -> None:
    grey = {"x_train": np.full((6, 9, 9), 77, np.uint8), "x_test": np.full((3, 9, 9, 1), 77, np.uint8)}
    data = opened(write_npz(tmp_path / "grey.npz", **grey))
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
        ({"y_train": np.array([0, 1, 2, 0, 1, 10**15])}, "labels reach 1000000000000000, and there are 6 training"),
        ({"y_train": np.array(3)}, "y_train is int64"),
        ({"class_names": np.array(["x", "y", "x"])}, "the class name 'x' is used 2 times"),
        ({"class_names": np.array(["one"])}, "labels run from 0 to 2, valid: 0 to 0"),
        ({"x_test": np.zeros((3, 12, 12, 1), np.uint8)}, "test images"),
    ],
)
def test_wrong_npz_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(write_npz(tmp_path / "wrong.npz", **changes))


@pytest.mark.parametrize("keep", [0, 3, 100, 900])
def test_a_cut_off_npz_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_npz(tmp_path / "cut.npz")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cut\.npz"):
        opened(path)


def test_a_single_array_is_not_an_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"is not a \.npz file"):
        opened(tmp_path / "one.npy")


def test_names_as_bytes_are_decoded(tmp_path: Path) -> None:
    names = np.array(["ibis", "Käuz", "emu"])
    path = write_npz(tmp_path / "bytes.npz", class_names=np.char.encode(names, "utf-8"))
    assert opened(path).class_names == ("ibis", "Käuz", "emu")
    with pytest.raises(DataError, match=r"the class name b'K\\xe4uz' is not UTF-8"):
        opened(write_npz(tmp_path / "latin.npz", class_names=np.char.encode(names, "latin-1")))


def test_images_that_are_not_square_are_fitted_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wide = {name: np.full((count, 6, 12), 7, np.uint8) for name, count in (("x_train", 6), ("x_test", 3))}
    path = write_npz(tmp_path / "wide.npz", **wide)
    with caplog.at_level("INFO", logger="framework"):
        data = open_named(path, Preprocessing(12, "pad"), tmp_path)
    assert data.train_images[0, :, 0, 0].tolist() == [255] * 3 + [7] * 6 + [255] * 3
    (said,) = caplog.messages
    assert said.startswith("wide: 9 of 9 images are resized to 12x12 pixels; 9 are not square, and are padded")


def test_more_names_than_images_are_fine(tmp_path: Path) -> None:
    names = np.array([f"kind {number}" for number in range(100)])
    path = write_npz(tmp_path / "rare.npz", class_names=names, y_train=np.array([0, 1, 2, 0, 1, 99]))
    assert opened(path).num_classes == 100


def npy_header(shape: str) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (b"no header", "x_train is not an array"),
        (npy_header("(10,"), "cannot be read"),
        (npy_header("(99999999999, 32, 32, 3)"), "cannot be read"),
        (npy_header("(6, 12, 12, 3)") + b"too short", "cannot be read"),
    ],
)
def test_a_wrong_member_is_refused(tmp_path: Path, member: bytes, message: str) -> None:
    path = write_npz(tmp_path / "odd.npz", x_train=None)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("x_train.npy", member)
    with pytest.raises(DataError, match=message):
        opened(path)


def test_changed_bytes_are_read_right_or_refused(tmp_path: Path) -> None:
    intact = write_npz(tmp_path / "intact.npz")
    expected, content = opened(intact).fingerprint(), intact.read_bytes()
    generator, refused = random.Random(0), 0
    for _ in range(100):
        changed = bytearray(content)
        changed[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        (tmp_path / "changed.npz").write_bytes(changed)
        try:
            assert opened(tmp_path / "changed.npz").fingerprint() == expected
        except DataError:
            refused += 1
    assert refused > 60


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "run",)

    path = write_npz(tmp_path / "trap.npz", class_names=np.array([Trap()], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        opened(path)
    assert not (tmp_path / "run").exists()
    np.load(path, allow_pickle=True)["class_names"]
    assert (tmp_path / "run").exists()  # it would have been run


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_an_archive_of_images_is_to_be_unpacked(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "image.png").write_bytes(b"some image")
    path = Path(shutil.make_archive(str(tmp_path / "images"), suffix[1:], tmp_path, "a"))
    with pytest.raises(DataError, match="images in an archive have to be unpacked"):
        opened(path)
