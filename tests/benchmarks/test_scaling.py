from pathlib import Path

import numpy as np
import pytest

from benchmarks.scaling import Case, main, write_noise
from tests.benchmarks.running import run, table_rows


def test_a_case_is_measured_in_a_process_of_its_own_and_kept(tmp_path: Path) -> None:
    printed = run(main, "--case", "10,000 images", "--steps", "1", "--results", tmp_path)
    ((name, start, step, memory),) = table_rows(printed)
    assert name == "10,000 images"
    assert float(start) > 0
    assert float(step) > 0
    assert float(memory.replace(",", "")) > 100
    assert (tmp_path / "scaling.md").read_text() == f"# Growth\n\n{printed}"


@pytest.mark.parametrize(("images", "test_images"), [(50, 10), (100_000, 10_000)])
def test_the_noise_has_the_size_and_the_classes_of_its_case(tmp_path: Path, images: int, test_images: int) -> None:
    write_noise(tmp_path / "noise.npz", Case(images=images, side=2, classes=7))
    arrays = np.load(tmp_path / "noise.npz")
    assert arrays["x_train"].shape == (images, 2, 2, 3)
    assert arrays["x_test"].shape == (test_images, 2, 2, 3)
    assert set(arrays["y_test"]) == set(range(7))
