from pathlib import Path

import cv2
import numpy as np
import pytest

from framework.report.gallery import COLUMNS, GAP, TILE, save_gallery, save_mistakes, shortened
from framework.report.predictions import Predictions


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_enlarged_with_gaps_between_them_and_captions_below(tmp_path: Path, channels: int) -> None:
    first, second = (np.random.default_rng(seed).integers(0, 256, (32, 32, channels), np.uint8) for seed in (0, 1))
    save_gallery(tmp_path / "gallery.png", [[first, second / 255]], [["one\nline more", "two"]])
    sheet = cv2.imread(str(tmp_path / "gallery.png"), cv2.IMREAD_UNCHANGED)
    assert sheet.shape[1:] == (2 * TILE + GAP, 4)
    for left, image in ((0, first), (TILE + GAP, second)):
        tile = sheet[:TILE, left : left + TILE][::4, ::4]
        np.testing.assert_array_equal(tile[..., :3][..., ::-1], np.broadcast_to(image, (32, 32, 3)))
        assert (tile[..., 3] == 255).all()
        assert sheet[TILE:, left : left + TILE, 3].any()
    assert not sheet[:TILE, TILE : TILE + GAP, 3].any()


def test_a_caption_never_reaches_the_next_image_and_large_images_are_made_smaller(tmp_path: Path) -> None:
    wide = np.zeros((300, 600, 3), np.uint8)
    save_gallery(tmp_path / "gallery.png", [[wide, wide]], [["W" * 80, ""]])
    sheet = cv2.imread(str(tmp_path / "gallery.png"), cv2.IMREAD_UNCHANGED)
    assert sheet.shape[1] == 2 * TILE + GAP and sheet.shape[0] < TILE
    assert not sheet[TILE // 2 :, TILE + GAP :, 3].any()


def test_few_mistakes_leave_no_empty_place(tmp_path: Path) -> None:
    probabilities = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    predictions = Predictions(probabilities, np.array([0, 0, 1, 2]), ("ant", "bee", "cat"))
    assert save_mistakes(tmp_path / "mistakes.png", np.zeros((4, 32, 32, 3), np.uint8), predictions) == 2 < COLUMNS
    sheet = cv2.imread(str(tmp_path / "mistakes.png"), cv2.IMREAD_UNCHANGED)
    assert sheet.shape[1] == 2 * TILE + GAP


def test_a_long_name_is_cut_visibly() -> None:
    assert shortened("a long name of a class", 10) == "a long na…"
