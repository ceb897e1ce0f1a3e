"""The commands that use a trained network, with published weights; those with a run's are in test_s7_cifar."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from architectures import PRETRAINED, pretrained, pretrained_weights
from framework.sources import open_data
from recipes import restoring
from tests.recipes.running import run

CLASSES = pretrained_weights("c1c2c3c40").description["class_names"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def like_cifar10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with CIFAR-10's classes and one image of each to train on and one to test."""
    folder = tmp_path_factory.mktemp("like-cifar10")
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            cv2.imwrite(str(folder / split / name / "0.png"), random.integers(0, 256, (32, 32, 3), np.uint8))
    return folder


@pytest.mark.cifar10
@pytest.mark.parametrize("name", sorted(PRETRAINED))
def test_published_weights_give_the_published_figure(name: str, cifar10_folder: Path) -> None:
    result = run("evaluate", "--arch", name, "--pretrained", "--data", cifar10_folder)
    assert result.exit_code == 0, result.output
    last = re.fullmatch(r"test accuracy ([\d.]+) %", result.output.splitlines()[-1])
    assert last is not None
    assert float(last[1]) == pytest.approx(100 * PRETRAINED[name].test_accuracy, abs=0.0201)


def test_evaluate_takes_published_weights(like_cifar10: Path) -> None:
    result = run("evaluate", "--arch", "c1c2c3c40", "--pretrained", "--data", like_cifar10, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "weights/c1c2c3c40.safetensors" in result.output
    assert re.fullmatch(r"test accuracy [\d.]+ %", result.output.splitlines()[-1])


def test_figures_are_computed_without_tf32(like_cifar10: Path, tmp_path: Path) -> None:
    class Spy(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(torch.backends.cudnn.allow_tf32)
            return torch.zeros(len(images), 10)

    seen: list[bool] = []
    data = open_data(path=like_cifar10, dataset=None, image_size=32, cache=tmp_path, notify=print)
    trained = restoring.restore_pretrained("c1c2c3c40", CPU)
    before = torch.backends.cudnn.allow_tf32
    restoring.test_figures(restoring.Restored(Spy(), trained.description, CPU, trained.source), data)
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 == before


def test_predict_takes_published_weights(like_cifar10: Path) -> None:
    images = [like_cifar10 / "test" / name / "0.png" for name in ("cat", "ship")]
    result = run("predict", "--arch", "c1c2c3c40", "--pretrained", *images)
    assert result.exit_code == 0, result.output
    assert [line.split("  ")[0] for line in result.output.splitlines()] == [str(image) for image in images]
    assert all(line.split("  ")[1] in CLASSES for line in result.output.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name one network, by --checkpoint RUN or by --pretrained --arch NAME; valid: c1c2c3c40"),
        (("--pretrained",), 2, "name one network"),
        (("--arch", "c1c2c3c40"), 2, "name one network"),
        (("--pretrained", "--arch", "c1c2c3c40", "--checkpoint", "run"), 2, "name one network"),
        (("--pretrained", "--arch", "c1c2c3c40_maxpool"), 2, "no pretrained weights of 'c1c2c3c40_maxpool'. Valid: c"),
        (("--pretrained", "--arch", "c1c2c3c40", "--dataset", "digits"), 3, "digits has the classes 0, 1, 2"),
    ],
)
def test_a_wrong_naming_is_one_clear_error(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run("evaluate", *arguments)
    assert result.exit_code == code
    assert result.output.startswith("error: ") and len(result.output.splitlines()) == 1
    assert message in result.output


def test_weights_that_are_not_where_they_should_be_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    for content, message in ((None, "cannot be read"), (b"other", "damaged")):
        if content is not None:
            (tmp_path / "c1c2c3c40.safetensors").write_bytes(content)
        result = run("predict", "--pretrained", "--arch", "c1c2c3c40", "image.png")
        assert result.exit_code == 5
        assert message in result.output
        assert str(tmp_path / "c1c2c3c40.safetensors") in result.output


def test_data_of_fewer_classes_are_refused(tmp_path: Path) -> None:
    images, labels = np.zeros((20, 32, 32, 3), np.uint8), np.arange(20) % 5
    np.savez(tmp_path / "five.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    result = run("evaluate", "--pretrained", "--arch", "c1c2c3c40", "--data", tmp_path / "five.npz")
    assert result.exit_code == 3
    assert "five has the classes 0, 1, 2, 3, 4; " in result.output
    assert "was trained on airplane" in result.output
