from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from framework.report.augmentation import APART, GAP, HEADER, WIDTH, save_augmented_samples


def darkened(images: npt.NDArray[np.uint8], epochs: int) -> list[npt.NDArray[np.uint8]]:
    """Each image of each epoch is filled with ten times the epoch and its own number."""
    numbers = np.arange(len(images), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return [np.broadcast_to(10 * epoch + numbers, images.shape) for epoch in range(epochs)]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_stands_in_its_place_beside_what_is_made_of_it(tmp_path: Path, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, channels), np.uint8)
    save_augmented_samples(tmp_path / "sheet.png", images, darkened(images, 3), title="Blüten: as it is")
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "sheet.png"), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    factor = (WIDTH - APART - 3 * GAP) // 32
    side = 8 * factor
    assert sheet.shape == (HEADER + 2 * (side + GAP), 4 * (side + GAP) + APART, 4)
    assert sheet[:HEADER, :, 3].any() and not sheet[0, :, 3].any()  # the title on a transparent ground
    for number, image in enumerate(images):
        row = sheet[HEADER + number * (side + GAP) :][:side]
        np.testing.assert_array_equal(row[::factor, :side:factor, :3], np.broadcast_to(image, (8, 8, 3)))
        assert (row[:, :side, 3] == 255).all() and not row[:, side : side + GAP + APART, 3].any()
        changed = row[:, side + GAP + APART :]
        assert [int(changed[0, epoch * (side + GAP), 0]) for epoch in range(3)] == [number, 10 + number, 20 + number]


def test_large_images_keep_their_size(tmp_path: Path) -> None:
    images = np.zeros((1, 300, 400, 3), np.uint8)
    save_augmented_samples(tmp_path / "sheet.png", images, darkened(images, 8), title="")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (HEADER + 300 + GAP, 9 * (400 + GAP) + APART, 3)
