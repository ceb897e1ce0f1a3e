"""The inputs of the cases about data: folders and files of images, small and always the same."""

import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("a", "b", "c")
TRAIN, TEST = 20, 5
"""Images of a class."""


def noise(key: int, height: int = 12, width: int = 12) -> Image.Image:
    """An image of noise."""
    return Image.fromarray(np.random.default_rng(key).integers(0, 256, (height, width, 3), np.uint8))


def save(image: Image.Image, path: Path, **options: object) -> None:
    """Writes an image into a folder that need not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[arg-type]


def plain(root: Path, classes: tuple[str, ...] = CLASSES, train: int = TRAIN) -> Path:
    """A folder of noise: train/ and test/ with some classes, 12 x 12 pixels."""
    for split, count in (("train", train), ("test", TEST)):
        for label, name in enumerate(classes):
            for number in range(count):
                key = 1000 * label + number + (500 if split == "test" else 0)
                save(noise(key), root / split / name / f"{number:03}.png")
    return root


def hidden_folders(root: Path) -> Path:
    """Case 06: Jupyter's checkpoints, and what macOS puts into archives, beside the class folders."""
    plain(root)
    for split in ("train", "test"):
        save(noise(1), root / split / ".ipynb_checkpoints" / "000-checkpoint.png")
    (root / "train" / ".empty").mkdir()
    save(noise(2), root / "train" / "__MACOSX" / "000.png")
    return root


def companion_files(root: Path) -> Path:
    """Case 07: the companions of macOS, which end in .png and are no images, and __MACOSX in a class folder."""
    plain(root)
    for folder in (*(root / "train").iterdir(), *(root / "test").iterdir()):
        (folder / "._000.png").write_bytes(b"\x00\x05\x16\x07" + bytes(60))
        (folder / ".DS_Store").write_bytes(b"Bud1")
        save(noise(3), folder / "__MACOSX" / "000.png")
    return root


def other_formats(root: Path) -> Path:
    """Case 08: 10 of class a as webp and bmp, 15 of class b in a subfolder, and files that are no images."""
    plain(root)
    for number in range(10):
        (root / "train" / "a" / f"{number:03}.png").unlink()
        save(noise(number), root / "train" / "a" / f"{number:03}.{'webp' if number % 2 else 'bmp'}", lossless=True)
    for number in range(15):
        path = root / "train" / "b" / f"{number:03}.png"
        (root / "train" / "b" / "more").mkdir(exist_ok=True)
        path.rename(root / "train" / "b" / "more" / path.name)
    (root / "train" / "a" / "notes.txt").write_text("no image")
    (root / "test" / "README").write_text("no class")
    return root


def shape(kind: str, number: int) -> Image.Image:
    """A black cross or disc of 16 x 16 pixels on transparency, which is black under its alpha of 0."""
    rows, columns = np.mgrid[:16, :16]
    middle = 7.5 + np.random.default_rng(number).uniform(-2, 2, 2)
    down, right = np.abs(rows - middle[0]), np.abs(columns - middle[1])
    there = np.minimum(down, right) < 2 if kind == "cross" else down**2 + right**2 < 30
    return Image.fromarray(np.dstack([np.zeros((16, 16, 3), np.uint8), 255 * there.astype(np.uint8)]))


def transparent(root: Path, opaque: bool = False) -> Path:
    """Case 10: shapes on transparency, as RGBA, grey with alpha, and a palette; or, `opaque`, on white."""
    for split, count in (("train", 30), ("test", 10)):
        for kind in ("cross", "disc"):
            for number in range(count):
                image, path = shape(kind, number + 100 * (split == "test")), root / split / kind / f"{number:02}.png"
                if opaque:
                    white = Image.new("RGBA", image.size, "white")
                    save(Image.alpha_composite(white, image).convert("RGB"), path)
                elif number % 3 == 2:
                    palette = Image.fromarray((np.asarray(image)[..., 3] == 0).astype(np.uint8), "P")
                    palette.putpalette([0, 0, 0, 0, 0, 0])
                    save(palette, path, transparency=1)
                else:
                    save(image.convert("LA") if number % 3 else image, path)
    return root


def one_class(root: Path) -> Path:
    """Case 11: nothing to tell apart."""
    return plain(root, ("only",))


def npz(root: Path, classes: tuple[int, ...] = (1, 2, 3), **further: object) -> Path:
    """Case 12: a .npz file with labels of some `classes`, from 1 on, 20 training images of each."""
    generator = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 20), ("test", 5)):
        labels = np.repeat(classes, count)
        arrays |= {f"x_{split}": generator.integers(0, 256, (len(labels), 12, 12, 3), np.uint8), f"y_{split}": labels}
    root.mkdir(parents=True, exist_ok=True)
    np.savez(root / "data.npz", **arrays, **further)  # type: ignore[arg-type]
    return root / "data.npz"


def bytes_names(root: Path) -> Path:
    """Case 26: class names as bytes."""
    return npz(root, (0, 1), class_names=np.array([b"emu", "Käuz".encode()]))


def unicode_forms(root: Path) -> Path:
    """Case 27: a class name composed in train/ and decomposed in test/, as macOS does."""
    plain(root, ("b", "c", unicodedata.normalize("NFC", "café")))
    folder = root / "test" / unicodedata.normalize("NFC", "café")
    folder.rename(root / "test" / unicodedata.normalize("NFD", "café"))
    return root


def shared(root: Path) -> Path:
    """Two test images that are training images too, one of them twice, once in another format."""
    plain(root)
    for source, target in (("a/000", "a/100.png"), ("a/000", "b/100.bmp"), ("c/004", "c/100.png")):
        with Image.open(root / "test" / f"{source}.png") as image:
            save(image, root / "train" / target)
    return root


def photographs(root: Path) -> Path:
    """Images that are not square: 12 rows of 24 pixels; the middle of class a is black, that of class b is white."""
    for split, count in (("train", 10), ("test", 2)):
        for label, name in enumerate(("a", "b")):
            for number in range(count):
                pixels = np.array(noise(100 * label + number + 50 * (split == "test"), 12, 24))
                pixels[:, 6:18] = 255 * label
                save(Image.fromarray(pixels), root / split / name / f"{number}.png")
    return root


INPUTS: Mapping[str, Callable[[Path], Path]] = {
    "06": hidden_folders,
    "07": companion_files,
    "08": other_formats,
    "10-alpha": transparent,
    "10-opaque": lambda root: transparent(root, opaque=True),
    "11": one_class,
    "12-one-based": npz,
    "12-gaps": lambda root: npz(root, (0, 1, 7)),
    "14": plain,
    "26": bytes_names,
    "27": unicode_forms,
    "30": plain,
    "shared": shared,
    "photographs": photographs,
}
"""By case, what builds its input in a folder and gives the path for --data."""
