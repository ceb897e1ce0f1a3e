"""Data sets as Hugging Face's `datasets` saves them; without that library, what is said."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from framework.errors import DataError, DeviceError

OWN = Preprocessing(None)
RNG = np.random.default_rng(0)


@pytest.fixture
def library() -> Any:
    return pytest.importorskip("datasets", reason="the extra `datasets` is not installed")


def save(library: Any, path: Path, images: dict[str, np.ndarray | list], label: int | None = None) -> Path:
    """A data set of splits, or of none where the one is called ''; labels are 0 and 1 by turns without another one."""
    kind = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])})
    parts = {}
    for split, arrays in images.items():
        cells = []
        for array in arrays:
            buffer = io.BytesIO()
            Image.fromarray(array).save(buffer, "PNG")
            cells.append({"bytes": buffer.getvalue(), "path": None})
        rows = {"image": cells, "label": [label if label is not None else number % 2 for number in range(len(cells))]}
        parts[split] = library.Dataset.from_dict(rows, features=kind)
    (parts[""] if "" in parts else library.DatasetDict(parts)).save_to_disk(path)
    return path


def noise(count: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, *shape), np.uint8)


def test_splits_pixels_and_names_are_kept(library: Any, tmp_path: Path) -> None:
    images = {"train": noise(6, 20, 20), "validation": noise(4, 20, 20), "test": noise(2, 20, 20)}
    data = open_named(save(library, tmp_path / "pets", images), OWN)
    assert (data.name, data.class_names, data.channels) == ("pets", ("cat", "dog"), 1)
    assert np.array_equal(data.train_images[..., 0], np.concatenate([images["train"], images["validation"]]))
    assert np.array_equal(data.test_images[..., 0], images["test"]) and data.test_labels.tolist() == [0, 1]
    assert data.held_out is not None and data.held_out.tolist() == [6, 7, 8, 9]


def test_images_of_several_sizes_are_fitted_and_one_split_is_drawn_from(
    library: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mixed = [*noise(8, 24, 12, 3), *noise(2, 12, 12)]
    with caplog.at_level("INFO", logger="framework"):
        data = open_named(save(library, tmp_path / "mixed", {"": mixed}), OWN)
    assert data.train_images.shape == (8, 32, 32, 3) and data.test_labels.tolist() == [0, 1]
    assert "mixed: 10 of 10 images are resized to 32x32 pixels; 8 are not square" in caplog.text
    assert "a fifth of each class is the test set (2 images in all)" in data.note


def test_without_a_test_split_validation_is_the_test_set(library: Any, tmp_path: Path) -> None:
    images = {"train": noise(4, 8, 8, 3), "validation": noise(2, 8, 8, 3)}
    data = open_named(save(library, tmp_path / "two", images), OWN)
    assert np.array_equal(data.test_images, images["validation"]) and data.held_out is None


def test_what_cannot_be_read_is_refused(library: Any, tmp_path: Path) -> None:
    images = noise(4, 8, 8, 3)
    with pytest.raises(DataError, match="lacks the split 'train'; it has test"):
        open_named(save(library, tmp_path / "a", {"test": images}), OWN)
    with pytest.raises(DataError, match="labels run from -1"):
        open_named(save(library, tmp_path / "b", {"train": images, "test": images[:1]}, label=-1), OWN)
    text = library.Dataset.from_dict({"text": ["a"]})
    text.save_to_disk(tmp_path / "c")
    with pytest.raises(DataError, match="has the columns text; it takes one of images and one of labels"):
        open_named(tmp_path / "c", OWN)
    (arrow,) = save(library, tmp_path / "d", {"": images}).glob("*.arrow")
    arrow.write_bytes(b"")
    with pytest.raises(DataError, match="cannot read the data set .*/d: "):
        open_named(tmp_path / "d", OWN)


def test_without_the_library_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataset_dict.json").touch()
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DeviceError, match=r"`datasets` is missing: pip install 'emberfield\[datasets\]'"):
        open_named(tmp_path, OWN)
