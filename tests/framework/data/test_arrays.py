"""Arrays in memory: NumPy's and torch's, in a tuple or by name, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from framework.errors import DataError
from recipes.s7_cifar import EXPERIMENT

X = np.random.default_rng(0).integers(0, 256, (48, 24, 24, 3), np.uint8)
Y = np.arange(48) % 4
OWN = Preprocessing(None)


@pytest.mark.parametrize(
    "data",
    [
        ((X[:40], Y[:40]), (X[40:], Y[40:])),
        [(X[:40], Y[:40].tolist()), (X[40:], Y[40:, None].astype(np.uint8))],
        {"x_train": X[:40], "y_train": Y[:40], "x_test": X[40:], "y_test": Y[40:], "class_names": list("wxyz")},
        tuple(
            (torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y))
            for x, y in ((X[:40], Y[:40]), (X[40:], Y[40:]))
        ),
        ((torch.from_numpy(X[:40]), torch.from_numpy(Y[:40])), (X[40:], Y[40:])),
    ],
    ids=["NumPy", "lists", "by name", "torch, channels first", "mixed"],
)
def test_arrays_keep_their_pixels_and_size(data: Any) -> None:
    images = open_named(data, OWN)
    assert images.name == "arrays" and images.class_names == tuple("wxyz" if isinstance(data, dict) else "0123")
    assert np.array_equal(images.train_images, X[:40]) and np.array_equal(images.test_images, X[40:])
    assert np.array_equal(images.train_labels, Y[:40]) and np.array_equal(images.test_labels, Y[40:])
    assert open_named(data, Preprocessing(16)).test_images.shape == (8, 16, 16, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            (X, Y),
            r"data is a tuple; it takes a name, a path, \(\(x_train, y_train\), \(x_test, y_test\)\), or a mapping",
        ),
        (7, "data is a int; it takes a name, a path"),
        ({"x_train": X, "y_train": Y}, "data lacks x_test, y_test; it has x_train, y_train"),
        (((X / 255, Y), (X, Y)), "data: x_train is float64; images are uint8, 0 to 255"),
        (((X, Y[:-1]), (X, Y)), r"arrays: training labels are int64 \(47,\)"),
        (((X, Y / 2), (X, Y)), r"data: y_train is float64 \(48,\); labels are whole numbers"),
    ],
)
def test_other_arrays_are_refused(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_named(data, OWN)


def test_an_experiment_trains_evaluates_and_reports_on_arrays(tmp_path: Path) -> None:
    data = ((X[:40, ..., :1], Y[:40]), (X[40:, ..., :1], Y[40:]))
    settings = {"arch": "c1c2c3c40_quick", "arch_options": {"widths": [4, 8, 8, 8]}, "no_constraints": True}
    settings |= {"epochs": 1, "batch_size": 8, "limit_batches": 2, "device": "cpu", "precision": "float32"}
    run = EXPERIMENT.train(tmp_path / "run", data=data, **settings)
    assert EXPERIMENT.load(tmp_path / "run", device="cpu").metadata.input_shape == (1, 24, 24)
    assert EXPERIMENT.train(tmp_path / "run", data=data, resume=True).history == run.history
    assert EXPERIMENT.evaluate(tmp_path / "run", data=data, device="cpu")["accuracy"] == run.results["test_accuracy"]
    assert EXPERIMENT.report(tmp_path / "run", data=data, device="cpu")[0].is_file()
    with pytest.raises(DataError, match="trained on arrays, which has no name here; name the images with --data"):
        EXPERIMENT.evaluate(tmp_path / "run", device="cpu")
