"""Each case about data by its command, with the exit code, message and value that are right."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result

from framework.checkpoint.file_format import load_checkpoint
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from recipes.s7_cifar import EXPERIMENT
from tests.cases import inputs
from tests.framework.experiment.running import run

DRY = (
    *("--no-constraints", "--epochs", "1", "--batch-size", "16", "--limit-batches", "1"),
    *("--device", "cpu", "--precision", "float32", "--image-size", "16", "--arch", "c1c2c3c40_quick"),
)


def train(data: Path, *options: str) -> Result:
    """A dry run on data; its run directory is called `run` and lies beside them."""
    return run("--data", data, *DRY, "--out", data.parent / "run", *options)


def refused(result: Result, exit_code: int) -> str:
    """What a refused command said: one line, with no run begun."""
    assert result.exit_code == exit_code, result.output
    assert len(result.stderr.splitlines()) == 1
    assert "epoch" not in result.stdout
    return str(result.stderr)


def environment(data: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((data.parent / "run" / "environment.json").read_text())
    return content


def images_of(data: Path, **preprocessing: str) -> ImageData:
    return open_named(data, Preprocessing(16, **preprocessing))


def test_06_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    data = inputs.hidden_folders(tmp_path / "data")
    assert train(data).exit_code == 0
    assert environment(data)["metadata"]["class_names"] == ["a", "b", "c"]
    (data / "test" / ".ipynb_checkpoints").rename(tmp_path / "gone")
    assert images_of(data).class_names == ("a", "b", "c")


def test_07_companion_files_are_no_images(tmp_path: Path) -> None:
    data = inputs.companion_files(tmp_path / "data")
    result = train(data)
    assert result.exit_code == 0
    assert "left out" not in result.output
    found = environment(data)
    assert found["training_images"] + found["held_out_images"] == 60


def test_08_other_formats_are_read_and_what_is_left_out_is_said_once(tmp_path: Path) -> None:
    data = inputs.other_formats(tmp_path / "data")
    result = train(data)
    assert result.exit_code == 0
    found = environment(data)
    assert found["training_images"] + found["held_out_images"] == 45
    assert result.stderr.count("left out") == 1
    assert "files left out: 17 (15 .png, 1 .txt, 1 without a suffix); images are .png, .jpg" in result.stderr
    assert "; subfolders of a class are not read: train/b/more\n" in result.stderr


def test_10_transparency_is_composited_in_training_and_in_predictions(tmp_path: Path) -> None:
    alpha = inputs.transparent(tmp_path / "alpha")
    opaque = images_of(inputs.transparent(tmp_path / "opaque", opaque=True))
    assert np.array_equal(images_of(alpha).train_images, opaque.train_images)
    options = ("--limit-batches", "9", "--batch-size", "12", "--epochs", "12", "--lr", "0.03", "--val-size", "0")
    result = train(alpha, *options, "--transforms", "[]")
    assert "test accuracy 100.00 %" in result.stdout, result.output
    shapes = [path for kind in ("cross", "disc") for path in sorted((tmp_path / "opaque" / "test" / kind).iterdir())]
    shapes += [alpha / path.relative_to(tmp_path / "opaque") for path in shapes]
    lines = run("predict", "--checkpoint", tmp_path / "run", "--device", "cpu", *shapes).stdout.splitlines()
    found = [line.split("  ")[1:] for line in lines]
    assert [name for name, _ in found] == 2 * (10 * ["cross"] + 10 * ["disc"])
    assert found[:20] == found[20:]


def test_10_a_run_keeps_its_background(tmp_path: Path) -> None:
    data = inputs.transparent(tmp_path / "data")
    assert train(data, "--background", "#204060").exit_code == 0
    with_alpha, flat = data / "test" / "disc" / "00.png", tmp_path / "flat.png"
    image = cv2.imread(str(with_alpha), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(flat), np.where(image[..., 3:] == 0, np.array([0x60, 0x40, 0x20]), image[..., :3]).astype(np.uint8))
    (one, other) = EXPERIMENT.predict(tmp_path / "run", [with_alpha, flat], device="cpu")
    assert one == other
    metadata = load_checkpoint(tmp_path / "run" / "best.pt")["metadata"]
    assert (metadata["background"], metadata["fit"]) == ("#204060", "stretch")
    again = run("evaluate", "--checkpoint", tmp_path / "run", "--data", data, "--device", "cpu")
    accuracy = f"test accuracy {100 * EXPERIMENT.evaluate(tmp_path / 'run', data=data, device='cpu')['accuracy']:.2f} %"
    assert accuracy in again.stdout


def test_11_one_class_is_nothing_to_classify(tmp_path: Path) -> None:
    data = inputs.one_class(tmp_path / "data")
    assert "data has one class, 'only': there is nothing to classify" in refused(train(data), 3)


@pytest.mark.parametrize(
    ("classes", "message"),
    [((1, 2, 3), "no training image has the label 0 ('0');"), ((0, 1, 7), "has the labels 2 ('2'), 3 ('3'), 4 ('4')")],
)
def test_12_labels_that_leave_a_class_empty_are_named(tmp_path: Path, classes: tuple[int, ...], message: str) -> None:
    said = refused(train(inputs.npz(tmp_path, classes)), 3)
    assert message in said
    assert "classes are numbered from 0 without gaps" in said


def test_a_class_that_is_held_out_whole_is_named(tmp_path: Path) -> None:
    data = inputs.plain(tmp_path / "data")
    for path in sorted((data / "train" / "b").iterdir())[1:]:
        path.unlink()
    message = "--val-size 30 holds out every training image of the label 1 ('b')"
    assert message in refused(train(data, "--val-size", "30"), 2)
    assert train(data, "--val-size", "4").exit_code == 0


def test_images_that_training_and_test_share_are_counted(tmp_path: Path) -> None:
    data = inputs.shared(tmp_path / "data")
    result = train(data)
    message = "2 of 15 test images are training images too, pixel by pixel (3 copies)"
    assert result.exit_code == 0
    assert message in result.stderr and message in result.stdout  # at the start, and beside the figures
    assert "training images too" not in train(inputs.plain(tmp_path / "other" / "data")).output


def test_14_a_hole_larger_than_the_image_is_named(tmp_path: Path) -> None:
    said = refused(train(inputs.plain(tmp_path / "data"), "--image-size", "12"), 2)
    assert "CoarseDropout's hole of 16 to 16 pixels does not fit in an image 12 pixels high" in said


def test_26_class_names_as_bytes_are_read(tmp_path: Path) -> None:
    data = inputs.bytes_names(tmp_path)
    assert train(data).exit_code == 0
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((12, 12, 3), np.uint8))
    (line,) = run("predict", "--checkpoint", tmp_path / "run", tmp_path / "one.png").stdout.splitlines()
    assert line.split("  ")[1] in ("emu", "Käuz")


def test_27_names_are_compared_in_one_unicode_form(tmp_path: Path) -> None:
    data = inputs.unicode_forms(tmp_path / "data")
    assert train(data).exit_code == 0
    assert environment(data)["metadata"]["class_names"] == ["b", "c", "caf\u00e9"]


def declared(*transforms: dict[str, Any]) -> tuple[str, str]:
    return "--transforms", json.dumps(transforms)


CROP = {"name": "RandomCrop", "height": 8, "width": 8, "p": 1.0}
PAD = {"name": "PadIfNeeded", "min_height": 16, "min_width": 16, "p": 1.0}


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ((CROP,), "RandomCrop turns uint8 16x16x3 into uint8 8x8x3; let it keep the size"),
        ((CROP, PAD | {"p": 0.5}), "RandomCrop turns uint8 16x16x3 into uint8 8x8x3"),
        (({"name": "Normalize"},), "Normalize turns uint8 16x16x3 into float32 16x16x3; leave it out: "
         "images stay uint8 until the framework itself normalizes them"),
        (({"name": "ToTensorV2"},), "leave ToTensorV2 out: the framework itself normalizes the images"),
        (({"name": "Crop"},), "Crop cannot be applied to uint8 16x16x3: ValueError: Values for crop should be"),
    ],
    ids=["crop", "padded by chance", "normalize", "tensor", "raises"],
)  # fmt: skip
def test_30_transforms_that_change_size_or_type_are_named(
    tmp_path: Path, transforms: tuple[dict[str, Any], ...], message: str
) -> None:
    assert message in refused(train(inputs.plain(tmp_path / "data"), *declared(*transforms)), 2)


def test_30_a_crop_that_is_undone_is_trained_with(tmp_path: Path) -> None:
    assert train(inputs.plain(tmp_path / "data"), *declared(CROP | {"p": 0.5}, PAD)).exit_code == 0


def test_what_is_not_square_is_said_and_predicted_as_it_was_trained(tmp_path: Path) -> None:
    data = inputs.photographs(tmp_path / "data")
    result = train(data, "--fit", "crop")
    said = (
        "24 of 24 images are resized to 16x16 pixels; 24 are not square, and are cropped to their middle (--fit crop)"
    )
    assert said in result.stdout
    square = tmp_path / "square.png"
    photograph = data / "test" / "b" / "0.png"
    cv2.imwrite(str(square), cv2.imread(str(photograph))[:, 6:18])
    (one, other) = EXPERIMENT.predict(tmp_path / "run", [photograph, square], device="cpu")
    assert one == other
    assert (images_of(data, fit="crop").train_images[10:] == 255).all()
    assert "are stretched: --fit crop or --fit pad would keep" in train(data, "--out", str(tmp_path / "next")).stdout


@pytest.mark.parametrize(("option", "value"), [("--fit", "squash"), ("--background", "pink"), ("--background", "#12")])
def test_a_wrong_choice_is_refused(tmp_path: Path, option: str, value: str) -> None:
    result = train(tmp_path / "data", option, value)
    assert result.exit_code == 2
    assert f"{value!r}" in result.stderr
