"""Names of all kinds in pictures: no warning, which is an error here, and nothing that acts."""

from pathlib import Path

import numpy as np
import pytest

from framework.report.augmentation import save_augmented_samples
from framework.report.confusion import save_confusion
from framework.report.curves import save_curves
from framework.report.drawing import saved_figure
from framework.report.gallery import save_gallery, shortened
from framework.report.rate_test import save_rate_test

NAMES = ["bell\x07", "line\nend", "\u202eturned", "\ud800", "😀", "猫と犬", "قط", "a\u0301", "$x_1$"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_of_any_letters_can_be_drawn(tmp_path: Path, name: str) -> None:
    history = [{"epoch": 1, "loss": 1.0, "accuracy": 0.5, "lr": 0.1}]
    save_curves(tmp_path / "curves.png", history, f"network on {name}")
    save_confusion(tmp_path / "confusion.png", np.eye(2, dtype=np.int64), [name, "b"])
    save_gallery(tmp_path / "gallery.png", [[np.zeros((8, 8, 3), np.uint8)]], [[shortened(name)]])
    image = np.zeros((1, 8, 8, 3), np.uint8)
    save_augmented_samples(tmp_path / "samples.png", image, [image] * 8, title=f"{name}: as it is")
    save_rate_test(tmp_path / "rate.png", [0.01, 0.1], [1.0, 2.0], 0.01, f"network on {name}")
    pictures = list(tmp_path.iterdir())
    assert len(pictures) == 5 and all(path.stat().st_size > 200 for path in pictures)


def test_what_is_not_printable_is_drawn_as_an_escape(tmp_path: Path) -> None:
    with saved_figure(tmp_path / "figure.svg", (3, 1)) as figure:
        figure.suptitle("bell\x07 and\n\u202eturned $x_1$")
    comments = (tmp_path / "figure.svg").read_text()  # an SVG has each text as a comment before its outlines
    assert "<!-- bell\\x07 and -->" in comments and "<!-- \\u202eturned $x_1$ -->" in comments
