"""Images of any size as squares: what is kept, what is cut off, what is added."""

import logging

import numpy as np
import pytest

from framework.data.preprocessing import Preprocessing, composite, fit_image, fit_images, log_resizing

STRIPES = np.repeat(np.array([10, 10, 90, 90, 90, 90, 200, 200], np.uint8)[None, :, None], 4, 0)
"""4 rows of 8 grey pixels: 10, 90 in the middle, 200."""


def fitted(image: np.ndarray, size: int, fit: str, background: str = "white") -> np.ndarray:
    return fit_image(image, Preprocessing(size, fit, background))


@pytest.mark.parametrize("turned", [False, True])
def test_crop_keeps_the_middle_pad_keeps_all_and_stretch_keeps_neither_proportion_nor_margin(turned: bool) -> None:
    image = STRIPES.transpose(1, 0, 2) if turned else STRIPES
    crop, pad, stretch = (fitted(image, 4, fit, "#101010")[..., 0] for fit in ("crop", "pad", "stretch"))
    crop, pad, stretch = (each.T if turned else each for each in (crop, pad, stretch))
    assert (crop == 90).all()
    assert pad.tolist() == [[16] * 4, [10, 90, 90, 200], [10, 90, 90, 200], [16] * 4]
    assert stretch.tolist() == [[10, 90, 90, 200]] * 4


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [5, 12, 30])
def test_a_square_is_the_same_whatever_the_fit(fit: str, size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    assert np.array_equal(fitted(image, size, fit), fitted(image, size, "stretch"))


def test_pad_fills_each_channel_and_grey_with_the_luma() -> None:
    line = np.zeros((1, 9, 3), np.uint8)
    assert fitted(line, 9, "pad", "#ff8000")[0, 0].tolist() == [255, 128, 0]
    assert fitted(line[..., :1], 9, "pad", "#ff8000")[0, 0].tolist() == [151]  # 0.299 R + 0.587 G + 0.114 B
    assert fitted(line, 3, "pad").shape == (3, 3, 3)
    assert fitted(np.zeros((1, 900, 3), np.uint8), 8, "pad").shape == (8, 8, 3)  # never less than a line is left


def test_images_of_the_size_are_not_copied() -> None:
    images = np.zeros((2, 4, 4, 1), np.uint8)
    assert fit_images(images, Preprocessing(4)) is images
    assert fit_images(images, Preprocessing(6, "pad")).shape == (2, 6, 6, 1)


def test_composite_is_a_mean_weighted_by_alpha_and_rounded() -> None:
    alpha = np.arange(256)
    rgba = np.stack([np.full(256, 200), np.full(256, 3), np.zeros(256), alpha], -1)[None].astype(np.uint8)
    share = alpha[:, None] / 255
    exact = np.array([200, 3, 0]) * share + np.array([255, 128, 0]) * (1 - share)
    assert np.abs(composite(rgba, (255, 128, 0))[0] - exact).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("counts", "fit", "said"),
    [
        ((10, 0, 0), "crop", None),
        ((1200, 7, 0), "crop", "7 of 1,200 images are resized to 8x8 pixels"),
        ((10, 10, 4), "crop", "8x8 pixels; 4 are not square, and are cropped to their middle (--fit crop)"),
        ((10, 10, 4), "pad", "4 are not square, and are padded with white (--fit pad)"),
        ((10, 10, 4), "stretch", "are stretched: --fit crop or --fit pad would keep their proportions"),
    ],
)
def test_what_is_resized_is_said(
    counts: tuple[int, int, int], fit: str, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        log_resizing("photos", *counts, Preprocessing(8, fit))
    assert not caplog.messages if said is None else said in caplog.text
