"""Every registered data set, in a toy of its official format: what is read, what is trained, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import MNIST

from framework.data.preprocessing import Preprocessing
from framework.data.registry import dataset_names, open_named
from framework.errors import DataError
from tests.framework.data.toys import WRITERS, md5, write_idx
from tests.framework.experiment.running import run

OWN = Preprocessing(None)
FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag"]
DIGITS = tuple("0123456789")
EXPECTED = {
    "mnist": ((40, 28, 28, 1), 10, DIGITS),
    "fashion_mnist": ((40, 28, 28, 1), 10, (*FASHION, "Ankle boot")),
    "cifar10": ((50, 32, 32, 3), 10, tuple(f"kind {number}" for number in range(10))),
    "cifar100": ((300, 32, 32, 3), 100, tuple(f"kind {number}" for number in range(100))),
    "svhn": ((40, 32, 32, 3), 10, DIGITS),
    "tiny_imagenet": ((12, 64, 64, 3), 3, ("goldfish", "Egyptian cat", "go-kart")),
}
TRAIN = (
    *("train", "--no-constraints", "--device", "cpu", "--precision", "float32", "--arch", "c1c2c3c40_quick"),
    *("--epochs", "1", "--limit-batches", "2", "--batch-size", "4", "--arch-options", '{"widths": [4, 8, 8, 8]}'),
)


def test_every_registered_data_set_has_a_toy() -> None:
    assert sorted([*WRITERS, "digits"]) == dataset_names()


@pytest.mark.parametrize("name", WRITERS)
def test_the_official_files_are_read_and_trained_on(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBERFIELD_CACHE", str(tmp_path / "cache"))
    toy = WRITERS[name](tmp_path / "cache", monkeypatch)
    data = open_named(name, OWN)
    shape, classes, names = EXPECTED[name]
    assert (data.name, data.train_images.shape, data.test_images.shape) == (name, shape, (classes, *shape[1:]))
    assert (data.class_names, data.train_images.dtype, data.train_labels.dtype) == (names, np.uint8, np.int64)
    order = np.argsort(toy.y_train, kind="stable") if name == "tiny_imagenet" else np.arange(len(toy.y_train))
    assert np.array_equal(data.train_images, toy.x_train[order]) and np.array_equal(
        data.train_labels, toy.y_train[order]
    )
    assert np.array_equal(data.test_images, toy.x_test) and np.array_equal(data.test_labels, toy.y_test)
    augment_on = "cpu" if name == "mnist" else "device"
    trained = run(*TRAIN, "--data", name, "--augment-on", augment_on, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    assert f"network c1c2c3c40_quick: {shape[1]}x{shape[1]} pixels" in trained.output
    assert f"data {name}: {shape[0] - shape[0] // 10} training" in trained.output
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"]["image_size"] == shape[1]


def test_grey_images_go_through_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBERFIELD_CACHE", str(tmp_path / "cache"))
    toy = WRITERS["mnist"](tmp_path / "cache", monkeypatch)
    assert run(*TRAIN, "--data", "mnist", "--out", tmp_path / "run").exit_code == 0
    np.savez(tmp_path / "mnist.npz", **vars(toy))
    for command in (
        ("train", "--resume", "--out", tmp_path / "run"),
        ("evaluate", "--checkpoint", tmp_path / "run", "--device", "cpu"),
        ("evaluate", "--checkpoint", tmp_path / "run", "--data", tmp_path / "mnist.npz", "--device", "cpu"),
        ("report", tmp_path / "run", "--device", "cpu"),
    ):
        result = run(*command)
        assert result.exit_code == 0, result.output


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def write(content: np.ndarray | str) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        file.write_text(content) if isinstance(content, str) else write_idx(file, content)

    return spoil


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("train-images-idx3-ubyte", cut, "train-images-idx3-ubyte is cut off, or longer than its header says: 31,375"),
        (
            "t10k-labels-idx1-ubyte",
            write("GIF89a"),
            "begins with 47 49 46 38; an idx file of unsigned bytes begins with",
        ),
        ("t10k-labels-idx1-ubyte", write(np.zeros((10, 2))), r"y_test is uint8 \(10, 2\); labels are whole numbers"),
        ("train-images-idx3-ubyte", write(np.zeros((40, 784))), r"x_train has shape \(40, 784\)"),
        ("t10k-images-idx3-ubyte", Path.unlink, "lacks t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz"),
    ],
)
def test_damaged_idx_files_are_refused(
    file: str, spoil: Callable[[Path], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = WRITERS["mnist"](tmp_path, monkeypatch)
    folder = tmp_path / "plain"
    for split, part in (("train", (toy.x_train, toy.y_train)), ("t10k", (toy.x_test, toy.y_test))):
        write_idx(folder / f"{split}-images-idx3-ubyte", part[0][..., 0])
        write_idx(folder / f"{split}-labels-idx1-ubyte", part[1])
    data = open_named(folder, OWN)
    assert (data.name, data.class_names) == ("plain", DIGITS) and np.array_equal(data.train_images, toy.x_train)
    spoil(folder / file)
    with pytest.raises(DataError, match=message):
        open_named(folder, OWN)


def test_labels_out_of_range_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["mnist"](tmp_path, monkeypatch)
    file = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    write_idx(file, np.full(10, 11))
    listed = [(name, md5(tmp_path / "mnist" / name)) for name, _ in MNIST.resources]
    monkeypatch.setattr(MNIST, "resources", listed)
    with pytest.raises(DataError, match="mnist: test labels run from 11 to 11, valid: 0 to 9"):
        open_named("mnist", OWN, tmp_path)


def test_a_cut_off_gzip_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["mnist"](tmp_path, monkeypatch)
    cut(tmp_path / "mnist" / "train-images-idx3-ubyte.gz")
    with pytest.raises(DataError, match="cannot read .*train-images-idx3-ubyte.gz: Compressed file ended"):
        open_named(tmp_path / "mnist", OWN)


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("val/val_annotations.txt", Path.unlink, "cannot read .*val_annotations.txt: .*No such file"),
        (
            "val/val_annotations.txt",
            write("val_0.JPEG\tn1\t0\n"),
            "val_annotations.txt, line 1: 'n1' is not a class of",
        ),
        ("val/val_annotations.txt", write("val_0.JPEG"), "line 1: '' is not a class of wnids.txt"),
        ("val/val_annotations.txt", write("val_9.JPEG\tn02124075"), "line 1: there is no .*val_9.JPEG"),
        ("wnids.txt", write("n02124075\nn0"), "train/n0/images holds no images, and .*wnids.txt has the class 'n0'"),
    ],
)
def test_a_damaged_tiny_imagenet_is_refused(
    file: str, spoil: Callable[[Path], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS["tiny_imagenet"](tmp_path, monkeypatch)
    folder = tmp_path / "tiny_imagenet" / "tiny-imagenet-200"
    spoil(folder / file)
    with pytest.raises(DataError, match=message):
        open_named(folder, OWN, tmp_path)


def test_official_files_are_taken_by_their_folder_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, file in (("cifar100", "cifar-100-python/train"), ("svhn", "test_32x32.mat")):
        toy = WRITERS[name](tmp_path, monkeypatch)
        data = open_named(tmp_path / name, OWN)
        assert data.name == name and np.array_equal(data.train_images, toy.x_train)
        cut(tmp_path / name / file)
        with pytest.raises(DataError, match=f"{file} is missing or damaged"):
            open_named(tmp_path / name, OWN)


def test_the_whole_of_fashion_mnist() -> None:
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    data = open_named(folder, OWN)
    assert (data.train_images.shape, data.test_images.shape) == ((60_000, 28, 28, 1), (10_000, 28, 28, 1))
    assert data.class_names == EXPECTED["fashion_mnist"][2]
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert data.train_labels[:5].tolist() == [9, 0, 0, 3, 0]
    assert round(float(data.train_images.mean()) / 255, 4) == 0.2860
