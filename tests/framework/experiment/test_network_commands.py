"""The commands that use a trained network, with published weights; those with a run's are in test_s7_cifar."""

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
import torch

from architectures import PRETRAINED, pretrained, pretrained_weights
from framework.checkpoint.loaded_model import LoadedModel, load_pretrained
from framework.data.preprocessing import Preprocessing
from framework.data.registry import cache_folder, open_named
from framework.data.statistics import channel_statistics, normalize
from framework.experiment.evaluation import evaluate_model
from framework.export.formats import FORMATS
from recipes.s7_cifar import EXPERIMENT, main
from tests.framework.experiment.running import run

CLASSES = pretrained_weights("c1c2c3c40").description["class_names"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def like_cifar10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with CIFAR-10's classes and one image of each to train on and one to test."""
    folder = tmp_path_factory.mktemp("data") / "like-cifar10"
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            cv2.imwrite(str(folder / split / name / "0.png"), random.integers(0, 256, (32, 32, 3), np.uint8))
    return folder


@pytest.mark.cifar10
def test_published_weights_give_the_published_figure_on_the_whole_of_cifar10(cifar10_folder: Path) -> None:
    data = open_named(cifar10_folder, Preprocessing(32), cache_folder())
    assert data.train_images.shape == (50_000, 32, 32, 3)
    assert data.test_images.shape == (10_000, 32, 32, 3)
    assert np.bincount(data.train_labels).tolist() == [5000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    statistics = channel_statistics(data.train_images)
    assert [round(mean, 4) for mean in statistics.mean] == [0.4914, 0.4822, 0.4465]
    assert [round(std, 4) for std in statistics.std] == [0.2470, 0.2435, 0.2616]
    for name in sorted(PRETRAINED) if os.environ.get("EMBERFIELD_SOAK") else ["c1c2c3c40_quick"]:
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


def test_evaluate_can_average_over_mirror_images(like_cifar10: Path) -> None:
    command = ("evaluate", "--arch", "c1c2c3c40", "--pretrained", "--data", like_cifar10, "--device", "cpu")
    plain, averaged = run(*command), run(*command, "--tta", "flip")
    assert "test-time augmentation flip" in averaged.output and "augmentation" not in plain.output
    assert averaged.output.splitlines()[-2] != plain.output.splitlines()[-2]  # the loss


def test_figures_are_computed_without_tf32(like_cifar10: Path, tmp_path: Path) -> None:
    class Spy(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(torch.backends.cudnn.allow_tf32)
            return torch.zeros(len(images), 10)

    seen: list[bool] = []
    data = open_named(like_cifar10, Preprocessing(32), tmp_path)
    trained = load_pretrained(EXPERIMENT.package(), "c1c2c3c40", CPU)
    before = torch.backends.cudnn.allow_tf32
    evaluate_model(LoadedModel(Spy(), trained.metadata, CPU, trained.source), data)
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 == before


def test_predict_takes_published_weights(like_cifar10: Path) -> None:
    images = [like_cifar10 / "test" / "cat" / "0.png", *sorted((like_cifar10 / "test" / "ship").iterdir())]
    result = run("predict", "--arch", "c1c2c3c40", "--pretrained", images[0], images[1].parent)
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
        (("--pretrained", "--arch", "c1c2c3c40_maxpool"), 2, "there are no pretrained weights of 'c1c2c3c40_maxpool'"),
        (("--pretrained", "--arch", "c1c2c3c40", "--data", "digits"), 3, "digits has the classes 0, 1, 2"),
    ],
)
def test_a_wrong_naming_is_one_clear_error(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run("evaluate", *arguments)
    assert result.exit_code == code
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1
    assert message in result.stderr


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


@pytest.mark.parametrize("name", ["onnx", "torch"])
def test_export_writes_a_file_that_gives_the_same_logits(name: str, like_cifar10: Path, tmp_path: Path) -> None:
    out = (tmp_path / "network").with_suffix(FORMATS[name].suffix)
    named = ("--arch", "c1c2c3c40", "--pretrained", "--format", name, "--out", out)
    result = run("export", *named, "--data", like_cifar10)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[1] == "checked on 10 images of like-cifar10"
    assert re.fullmatch(r"largest difference of the logits \d\.\de-0\d \(tolerance \d\.\de-04\)", lines[2])
    assert lines[3] == "equal predictions 10 of 10"
    assert lines[4] == f"wrote {out}, {out.stat().st_size:,} bytes"
    assert list(tmp_path.iterdir()) == [out]
    trained = load_pretrained(EXPERIMENT.package(), "c1c2c3c40", CPU)
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    pixels = images.permute(0, 3, 1, 2).contiguous() / 255
    with torch.no_grad():
        expected = trained.network(normalize(images, trained.metadata.statistics))
    torch.testing.assert_close(FORMATS[name].read(out.read_bytes())(pixels), expected, rtol=1e-4, atol=1e-4)


def test_export_takes_a_run_and_checks_on_the_digits(finished: tuple[Path, str], tmp_path: Path) -> None:
    result = run("export", "--checkpoint", finished[0], "--format", "torch", "--out", tmp_path / "network.pt2")
    assert result.exit_code == 0, result.output
    assert "checked on 360 images of digits" in result.output


def test_an_export_that_differs_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FORMATS["torch"]

    def wrong(content: bytes) -> Callable[[torch.Tensor], torch.Tensor]:
        read = real.read(content)
        return lambda images: read(images).roll(1, dims=1)

    monkeypatch.setitem(FORMATS, "torch", dataclasses.replace(real, read=wrong))
    out = tmp_path / "network.pt2"
    command = ("export", "--arch", "c1c2c3c40", "--pretrained", "--format", "torch", "--out", out)
    out.write_bytes(b"an older one")
    result = run(*command)
    assert result.exit_code == 10
    assert "error: the exported network differs from PyTorch's" in result.output
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an older one"]


def test_an_export_that_cannot_be_written_or_checked_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("export", "--arch", "c1c2c3c40", "--pretrained", "--format", "torch", "--out")
    nowhere = run(*command, tmp_path / "none" / "network.pt2")
    assert nowhere.exit_code == 9
    assert f"cannot write {tmp_path / 'none' / 'network.pt2'}: No such file or directory" in nowhere.output
    misnamed = run(*command, tmp_path / "network.onnx")
    assert misnamed.exit_code == 2
    assert "network.onnx; with --format torch its name has to end in .pt2" in misnamed.output
    grey = np.zeros((20, 32, 32), np.uint8)
    np.savez(tmp_path / "grey.npz", x_train=grey, y_train=np.arange(20), x_test=grey, y_test=np.arange(20))
    other = run(*command, tmp_path / "network.pt2", "--data", tmp_path / "grey.npz")
    assert other.exit_code == 3
    assert "grey has 1 channels and " in other.output
    monkeypatch.setitem(FORMATS, "torch", dataclasses.replace(FORMATS["torch"], needs=("absent",), extra="x"))
    without = run(*command, tmp_path / "network.pt2")
    assert without.exit_code == 6
    assert "not installed: absent. Install the extra: pip install 'emberfield[x]'" in without.output
    assert [path.name for path in tmp_path.iterdir()] == ["grey.npz"]


def test_the_command_line_knows_the_formats() -> None:
    (chosen,) = (option for option in main.commands["export"].params if option.name == "format")
    assert isinstance(chosen.type, click.Choice)
    assert set(chosen.type.choices) == set(FORMATS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--out", ""),
        ("train", "--config", ""),
        ("find-lr", "--out", ""),
        ("evaluate", "--checkpoint", ""),
        ("predict", "--checkpoint", "run", ""),
        ("report", ""),
        ("compare", "", "run"),
        ("record", ""),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_current_folder(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, "it is empty; it takes a path" in result.output) == (2, True)
