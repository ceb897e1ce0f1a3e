"""Tiny data sets in the official format of each registered one, whose files pass for the official ones."""

import gzip
import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
from PIL import ImageColor
from torchvision import datasets

WORDS = {"n02124075": "Egyptian cat", "n01443537": "goldfish, Carassius auratus", "n03444034": "go-kart"}
"""Of Tiny ImageNet, in the order of its wnids.txt, which is not alphabetical."""


@dataclass(frozen=True)
class Toy:
    """What was written: images (N, H, W, C) and labels, by their names in Keras, in the order of the files."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def noise(classes: int, size: int, channels: int, each: int = 4) -> Toy:
    """Noise with `each` training images and one test image of a class."""
    rng = np.random.default_rng(size + classes)
    x = rng.integers(0, 256, (classes * (each + 1), size, size, channels), np.uint8)
    labels = np.arange(len(x)) % classes
    return Toy(x[classes:], labels[classes:], x[:classes], labels[:classes])


def write_idx(path: Path, array: np.ndarray) -> None:
    """An idx file of unsigned bytes, gzipped if its name ends in .gz."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_mnist(folder: Path, kind: type, patch: pytest.MonkeyPatch) -> Toy:
    """The four gzipped idx files."""
    toy = noise(10, 28, 1)
    for split, part in (("train", (toy.x_train, toy.y_train)), ("t10k", (toy.x_test, toy.y_test))):
        write_idx(folder / f"{split}-images-idx3-ubyte.gz", part[0][..., 0])
        write_idx(folder / f"{split}-labels-idx1-ubyte.gz", part[1])
    patch.setattr(kind, "resources", [(name, md5(folder / name)) for name, _ in kind.resources])  # type: ignore[attr-defined]
    return toy


def write_cifar(folder: Path, kind: type[datasets.CIFAR10], patch: pytest.MonkeyPatch) -> Toy:
    """Pickles of rows of planes, as many as there are officially, and the names of the classes."""
    classes, key = (100, "fine_labels") if kind is datasets.CIFAR100 else (10, "labels")
    toy, place = noise(classes, 32, 3, each=5 if classes == 10 else 3), folder / kind.base_folder
    place.mkdir(parents=True)
    for names, images, labels in (
        (kind.train_list, toy.x_train, toy.y_train),
        (kind.test_list, toy.x_test, toy.y_test),
    ):
        pieces = zip(names, np.split(images, len(names)), np.split(labels, len(names)), strict=True)
        for (name, _), piece, own in pieces:
            rows = piece.transpose(0, 3, 1, 2).reshape(len(piece), -1)
            (place / name).write_bytes(pickle.dumps({"data": rows, key: own.tolist()}))
    meta = {kind.meta["key"]: [f"kind {number}" for number in range(classes)]}
    (place / kind.meta["filename"]).write_bytes(pickle.dumps(meta))
    for listed in ("train_list", "test_list"):
        patch.setattr(kind, listed, [[name, md5(place / name)] for name, _ in getattr(kind, listed)])
    patch.setattr(kind, "meta", kind.meta | {"md5": md5(place / kind.meta["filename"])})
    return toy


def write_svhn(folder: Path, patch: pytest.MonkeyPatch) -> Toy:
    """MATLAB files with images (H, W, C, N) and labels (N, 1), where the digit 0 is called 10."""
    toy, listed = noise(10, 32, 3), {}
    folder.mkdir(parents=True)
    for split, images, labels in (("train", toy.x_train, toy.y_train), ("test", toy.x_test, toy.y_test)):
        url, name, _ = datasets.SVHN.split_list[split]
        y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        scipy.io.savemat(folder / name, {"X": images.transpose(1, 2, 3, 0), "y": y})
        listed[split] = [url, name, md5(folder / name)]
    patch.setattr(datasets.SVHN, "split_list", datasets.SVHN.split_list | listed)
    return toy


COLOURS = ("red", "green", "blue", "yellow", "white", "cyan", "purple", "black", "orange", "lime")
SHAPES = {
    f"n{number:08}": f"{colour} {('square', 'triangle', 'bar', 'post', 'disc')[number % 5]}"
    for number, colour in enumerate(COLOURS)
}
"""The classes of `shapes`, as Tiny ImageNet names its own: a wnid and a word."""


def shapes(each: int, tests: int, seed: int = 0) -> Toy:
    """Images of 64x64 pixels of the ten SHAPES, in any place and of any size, on noise."""
    rng, examples = np.random.default_rng(seed), []
    for label, colour in enumerate(COLOURS):
        for _ in range(each + tests):
            image = rng.integers(64, 192, (64, 64, 3), np.uint8)
            place, size = rng.integers(20, 44, 2), rng.integers(10, 18)
            corners = {
                0: [(-1, -1), (1, -1), (1, 1), (-1, 1)],
                1: [(0, -1), (1, 1), (-1, 1)],
                2: [(-1, -0.4), (1, -0.4), (1, 0.4), (-1, 0.4)],
                3: [(-0.4, -1), (0.4, -1), (0.4, 1), (-0.4, 1)],
                4: [(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 6, 24)],
            }[label % 5]
            points = (np.array(corners) * size + place).round().astype(np.int32)
            examples.append(cv2.fillPoly(image, [points], ImageColor.getrgb(colour)))
    x = np.array(examples).reshape(10, each + tests, 64, 64, 3)
    y = np.arange(10)[:, None]
    return Toy(
        x[:, :each].reshape(-1, 64, 64, 3), y.repeat(each, 1).ravel(),
        x[:, each:].reshape(-1, 64, 64, 3), y.repeat(tests, 1).ravel(),
    )  # fmt: skip


def write_tiny_imagenet(folder: Path, toy: Toy | None = None, words: Mapping[str, str] = WORDS) -> Toy:
    """A toy in its own layout, or noise; the images are PNG under the name of JPEG, so that their pixels are exact.

    `words` has its classes by wnid; the toy's labels are for the wnids in alphabetical order.
    """
    toy, wnids = toy or noise(len(words), 64, 3), sorted(words)
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "test" / "images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(words) + "\n")
    (folder / "words.txt").write_text("".join(f"{wnid}\t{text}\n" for wnid, text in words.items()))
    for number, (image, label) in enumerate(zip(toy.x_train, toy.y_train, strict=True)):
        wnid = wnids[label]
        write_image(folder / "train" / wnid / "images" / f"{wnid}_{number:02}.JPEG", image)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").touch()
    lines = []
    for number, (image, label) in enumerate(zip(toy.x_test, toy.y_test, strict=True)):
        write_image(folder / "val" / "images" / f"val_{number}.JPEG", image)
        lines.append(f"val_{number}.JPEG\t{wnids[label]}\t0\t0\t63\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    write_image(folder / "test" / "images" / "test_0.JPEG", toy.x_test[0])
    return toy


def write_image(path: Path, image: np.ndarray) -> None:
    """An RGB or grey image (H, W, C) as the bytes of a PNG."""
    done, content = cv2.imencode(".png", image[..., ::-1])
    assert done
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.tobytes())


WRITERS: Mapping[str, Callable[[Path, pytest.MonkeyPatch], Toy]] = {
    "mnist": lambda cache, patch: write_mnist(cache / "mnist", datasets.MNIST, patch),
    "fashion_mnist": lambda cache, patch: write_mnist(cache / "fashion_mnist", datasets.FashionMNIST, patch),
    "cifar10": lambda cache, patch: write_cifar(cache / "cifar10", datasets.CIFAR10, patch),
    "cifar100": lambda cache, patch: write_cifar(cache / "cifar100", datasets.CIFAR100, patch),
    "svhn": lambda cache, patch: write_svhn(cache / "svhn", patch),
    "tiny_imagenet": lambda cache, _: write_tiny_imagenet(cache / "tiny_imagenet" / "tiny-imagenet-200"),
}
"""What writes a toy of a registered data set into a cache folder, as if it had been downloaded; not the digits."""
