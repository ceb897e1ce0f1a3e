from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from framework.report.samples import GAP, HEADER, WIDTH, save_augmented_samples


def darkened(image: npt.NDArray[np.uint8], *, epoch: int, sample: int, **_: Any) -> npt.NDArray[np.uint8]:
    return np.full_like(image, 10 * epoch + sample)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_stands_in_its_place_beside_what_is_made_of_it(tmp_path: Path, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, channels), np.uint8)
    save_augmented_samples(tmp_path / "sheet.png", images, darkened, seed=0, title="Blüten: as it is", epochs=3)
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "sheet.png")), cv2.COLOR_BGR2RGB)
    factor = WIDTH // (8 * 4 + GAP)
    assert sheet.shape == (HEADER + 16 * factor, (32 + GAP) * factor, 3)
    assert (sheet[:HEADER] < 128).any() and (sheet[0] == 255).all()  # the title on white
    small = sheet[HEADER::factor, ::factor]
    for number, image in enumerate(images):
        row = small[8 * number : 8 * number + 8]
        np.testing.assert_array_equal(row[:, :8], np.broadcast_to(image, (8, 8, 3)))
        assert (row[:, 8 : 8 + GAP] == 255).all()
        assert [int(row[0, 8 + GAP + 8 * epoch, 0]) for epoch in range(3)] == [number, 10 + number, 20 + number]


def test_large_images_keep_their_size(tmp_path: Path) -> None:
    images = np.zeros((1, 300, 400, 3), np.uint8)
    save_augmented_samples(tmp_path / "sheet.png", images, darkened, seed=0, title="", epochs=8)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (HEADER + 300, 3600 + GAP, 3)
