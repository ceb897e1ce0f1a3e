"""Which images an int8 export is calibrated on, and which it is judged by; tests/framework/export has the formats."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from framework.config import saved_config
from framework.data.data_module import setup
from framework.data.image_data import ImageData, Images
from framework.data.registry import open_named
from framework.errors import CheckpointError
from framework.experiment.artifacts import new_network
from framework.experiment.evaluation import evaluate_model, predict_images
from framework.experiment.initial_weights import begin_with_trained
from framework.export.formats import FORMATS
from framework.ops.fake_quantize import RANGES
from recipes.s7_cifar import EXPERIMENT
from tests.framework.experiment.running import QUICK, run

Seen = dict[str, list[bytes]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """The images that the format onnx is given to calibrate on, and those that its file is then judged by.

    The file classifies every image as the first class.
    """
    found: Seen = {"calibrated": [], "judged": []}

    def write(network: object, metadata: object, calibration: Images) -> bytes:
        found["calibrated"] += [image.tobytes() for image in calibration]
        return b"int8"

    def read(content: bytes) -> Callable[[Tensor], Tensor]:
        def logits(pixels: Tensor) -> Tensor:
            found["judged"] += [image.numpy().tobytes() for image in pixels]
            return torch.eye(10)[torch.zeros(len(pixels), dtype=torch.int64)]

        return logits

    monkeypatch.setitem(FORMATS, "onnx", dataclasses.replace(FORMATS["onnx"], write_int8=write, read=read))
    return found


def saying(run: Path, copy: Path, section: str, **settings: object) -> Path:
    """A copy of a run whose config.json says other settings."""
    shutil.copytree(run, copy)
    config = json.loads((copy / "config.json").read_text())
    config[section] |= settings
    (copy / "config.json").write_text(json.dumps(config))
    return copy


@pytest.fixture
def without_held_out(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """A run that says it held out nothing."""
    return saying(finished[0], tmp_path / "whole", "data", val_size=0)


@pytest.fixture
def digits(finished: tuple[Path, str]) -> ImageData:
    return open_named("digits", EXPERIMENT.load(finished[0], device="cpu").metadata.preprocessing)


def saved(path: Path, digits: ImageData, images: Images, labels: np.ndarray) -> Path:  # type: ignore[type-arg]
    np.savez(path, x_train=images, y_train=labels, x_test=digits.test_images, y_test=digits.test_labels)
    return path


def export(network: tuple[str | Path, ...], out: Path, *options: str | Path, code: int) -> str:
    result = run("export", *network, "--format", "onnx", "--int8", "--out", out / "network.onnx", *options)
    assert result.exit_code == code, result.output
    written = {path.name for path in out.iterdir() if path.name.startswith("network.")}
    assert written == (set() if code else {"network.onnx", "network.onnx.json"})
    return result.output


def test_the_images_are_those_that_the_run_held_out(
    finished: tuple[Path, str], seen: Seen, tmp_path: Path, digits: ImageData
) -> None:
    named = ("--checkpoint", finished[0])
    said = export(named, tmp_path, "--calibration-images", "20", "--max-drop", "100", code=0)
    held_out = setup(saved_config(finished[0] / "config.json"), digits).held_out
    assert sorted(seen["calibrated"] + seen["judged"]) == sorted(digits.train_images[i].tobytes() for i in held_out)
    assert len(seen["calibrated"]) == 20
    assert "calibrated on 20 of the images that finished held out of digits\n" in said
    assert f"points, on {len(held_out) - 20:,} of the images that finished held out of digits\n" in said
    assert "test images" not in said
    asked = export(named, tmp_path, "--test", "--max-drop", "100", code=0)
    assert "points, on 360 of the test images of digits\n" in asked
    assert json.loads((tmp_path / "network.onnx.json").read_text())["int8"]["test"]["images"] == 360
    done = EXPERIMENT.open_run(finished[0]).export_int8(tmp_path / "python.onnx", "onnx", max_drop=100)
    assert (done.calibration_images, done.held_out.images) == (len(held_out) // 2, len(held_out) - len(held_out) // 2)


def test_without_held_out_images_others_are_needed(
    without_held_out: Path, seen: Seen, tmp_path: Path, digits: ImageData
) -> None:
    named = ("--checkpoint", without_held_out)
    assert "held out no images. int8 is calibrated and judged on held-out images" in export(named, tmp_path, code=3)
    assert "was trained on digits" in export(named, tmp_path, "--calibration", "digits", code=3)
    some = saved(tmp_path / "some.npz", digits, digits.train_images[:50], digits.train_labels[:50])
    said = export(named, tmp_path, "--calibration", some, code=3)
    assert "was trained on 50 of the 50 images of some" in said
    assert seen == {"calibrated": [], "judged": []}
    other = saved(tmp_path / "other.npz", digits, 255 - digits.train_images[:50], digits.train_labels[:50])
    said = export(named, tmp_path, "--calibration", other, "--max-drop", "100", code=0)
    assert "calibrated on 25 of other\n" in said and "points, on 25 of other\n" in said
    assert sorted(seen["calibrated"] + seen["judged"]) == sorted(
        (255 - image).tobytes() for image in digits.train_images[:50]
    )


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ({"max_flash": 3, "target": "onnxruntime"}, 8),
        ({"max_flash": 4, "target": "onnxruntime"}, 0),
        ({"max_flash": 3, "target": None}, 0),  # of a .tflite file
        ({"max_flash": 3, "target": "onnxruntime", "no_constraints": True}, 0),
    ],
)
def test_a_file_is_no_larger_than_its_run_declared(
    declared: dict[str, object], code: int, finished: tuple[Path, str], seen: Seen, tmp_path: Path
) -> None:
    """The file of `seen` has 4 bytes."""
    copy = saying(finished[0], tmp_path / "run", "constraints", **declared)
    said = export(("--checkpoint", copy), tmp_path, "--max-drop", "100", code=code)
    assert ("has 4 bytes, more than its max_flash of 3" in said) == (code == 8)


def test_a_run_is_judged_by_what_it_held_out_whatever_calibrates_it(
    finished: tuple[Path, str], seen: Seen, tmp_path: Path, digits: ImageData
) -> None:
    other = saved(tmp_path / "other.npz", digits, 255 - digits.train_images[:50], digits.train_labels[:50])
    said = export(("--checkpoint", finished[0]), tmp_path, "--calibration", other, "--max-drop", "100", code=0)
    assert "calibrated on 25 of other\n" in said
    held_out = setup(saved_config(finished[0] / "config.json"), digits).held_out
    assert sorted(seen["judged"]) == sorted(digits.train_images[index].tobytes() for index in held_out)


def test_published_weights_do_not_say_what_was_held_out(seen: Seen, tmp_path: Path) -> None:
    named = ("--arch", "c1c2c3c40", "--pretrained")
    assert "does not say which images it held out" in export(named, tmp_path, code=3)
    assert "digits has the classes 0, 1" in export(named, tmp_path, "--calibration", "digits", code=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--format", "torch", "--int8", "--out", "network.pt2"),
            "there is no int8 for torch; valid: onnx, litert, exe",
        ),
        (("--format", "onnx", "--out", "network.onnx", "--max-drop", "1"), "--max-drop is for --int8"),
        (("--format", "onnx", "--out", "network.onnx", "--test"), "--test is for --int8"),
        (("--format", "onnx", "--out", "network.pte", "--int8"), "its name has to end in .onnx"),
    ],
)
def test_options_that_do_not_fit_are_one_clear_error(options: tuple[str, ...], message: str) -> None:
    result = run("export", "--arch", "c1c2c3c40", "--pretrained", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1
    assert message in result.stderr


def test_a_run_in_simulated_int8_is_evaluated_so_exported_and_gone_on_from(
    finished: tuple[Path, str], seen: Seen, tmp_path: Path, digits: ImageData, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "int8"
    tuned = (*QUICK, "--epochs", "1", "--limit-batches", "2", "--lr", "0.001", "--int8", "--init-from", finished[0])
    trained = run("train", *tuned, "--out", out)
    assert trained.exit_code == 0 and "has learnt from" not in trained.output, trained.output
    model = EXPERIMENT.load(out, device="cpu")
    results = json.loads((out / "results.json").read_text())
    assert evaluate_model(model, digits, 2)["loss"] == results["test_loss"]
    export(("--checkpoint", out), tmp_path, "--max-drop", "100", code=0)

    image = digits.test_images[0]
    (before,) = predict_images(model, [image])
    model.network.get_buffer(RANGES)[:, :] = 0
    assert evaluate_model(model, digits, 2)["loss"] == pytest.approx(np.log(10), abs=1e-4) != results["test_loss"]
    assert list(predict_images(model, [image])) == [before]  # in float32

    model.network.register_buffer(RANGES, torch.zeros(3, 2))
    with pytest.raises(CheckpointError, match=r"int8.best\.pt .* ranges of 3 activations, and this version rounds"):
        evaluate_model(model, digits, 2)

    network = new_network(EXPERIMENT.package(), model.metadata)
    config = saved_config(out / "config.json").updated({"init_from": str(out), "seed": 1})
    begin_with_trained(network, config, digits, EXPERIMENT.package(), torch.device("cpu"))
    assert RANGES not in network.state_dict()
    assert "has learnt from images that are held out now" in caplog.text
