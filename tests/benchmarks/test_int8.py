import json
import os
from pathlib import Path

import numpy as np
import pytest

from architectures import pretrained_weights
from benchmarks.int8 import main, photographs
from tests.benchmarks.running import run, table_rows


def test_the_photographs_are_many_different_ones_and_always_the_same() -> None:
    found = photographs(20, 8)
    assert found.shape == (20, 8, 8, 3) and found.dtype == np.uint8
    assert len({image.tobytes() for image in found}) == 20
    assert np.array_equal(found, photographs(20, 8)) and not np.array_equal(found, photographs(20, 8, seed=1))
    assert found.min() < 20 and found.max() > 235


@pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="exports a published network: make soak")
def test_a_published_network_is_measured_and_other_figures_stay(tmp_path: Path) -> None:
    draw, names = np.random.default_rng(0), pretrained_weights("c1c2c3c40_quick").description["class_names"]
    arrays = {f"x_{part}": draw.integers(0, 256, (10, 32, 32, 3), "uint8") for part in ("train", "test")}
    labels = {f"y_{part}": np.arange(10) for part in ("train", "test")}
    np.savez(tmp_path / "images.npz", class_names=np.array(names), **arrays, **labels)
    (tmp_path / "int8.json").write_text(json.dumps({"another": {"onnx": {"int8": 0.5}}}))
    options = ("--data", tmp_path / "images.npz", "--format", "onnx", "--results", tmp_path)
    ((name, format_name, size, float32, int8, _),) = table_rows(run(main, "c1c2c3c40_quick", *options))
    kept = json.loads((tmp_path / "int8.json").read_text())
    found = kept["c1c2c3c40_quick"]["onnx"]
    assert (name, format_name) == ("c1c2c3c40_quick", "onnx") and kept["another"] == {"onnx": {"int8": 0.5}}
    assert (f"{found['bytes']:,}", f"{100 * found['float32']:.2f} %", f"{100 * found['int8']:.2f} %") == (
        size,
        float32,
        int8,
    )
    assert found["test_images"] == 10 and found["packages"]["onnxruntime"]
