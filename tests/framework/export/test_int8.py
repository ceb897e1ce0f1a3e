import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from architectures import create, names, options
from framework.checkpoint.loaded_model import LoadedModel
from framework.data.image_data import Images
from framework.data.statistics import normalize
from framework.errors import AccuracyError, DataError, EmberfieldError, SaveError
from framework.export.formats import FORMATS
from framework.export.int8 import Accuracies, Labelled, accuracies, require_int8, split_calibration, write_int8
from tests.framework.export.test_formats import images, metadata

ARCHITECTURES = names() if os.environ.get("EMBERFIELD_SOAK") else ["c1c2c3c40"]
CPU = torch.device("cpu")
NEARLY = 0.3
"""The largest error of int8: the deepest networks of eight channels have 0.25, in ONNX Runtime and in LiteRT alike."""


def shown() -> Images:
    """Images of different colours, so that the logits vary."""
    random = np.random.default_rng(0)
    noise = random.integers(-20, 21, (16, 32, 32, 3))
    return np.clip(random.integers(0, 256, (16, 1, 1, 3)) + noise, 0, 255).astype(np.uint8)


def narrow(arch: str) -> nn.Module:
    """A network of eight channels, in evaluation mode, whose batch normalisation knows the images."""
    torch.manual_seed(0)
    made = create(arch, widths=(8,) * len(options(arch)["widths"]))
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    made(normalize(torch.from_numpy(shown()), metadata().statistics))
    return made.eval()


def small() -> nn.Module:
    torch.manual_seed(0)
    layers = (
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    return nn.Sequential(*layers).eval()


@torch.no_grad()
def error(made: nn.Module, content: bytes, name: str) -> float:
    """The root mean square of the difference that int8 makes to the logits, as a share of their deviation."""
    pixels = torch.from_numpy(shown())
    expected = made(normalize(pixels, metadata().statistics))
    varying = expected - expected.mean(0)
    return float(
        (FORMATS[name].read(content)(pixels) - expected).square().mean().sqrt() / varying.square().mean().sqrt()
    )


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_onnx_takes_bytes_and_computes_nearly_the_same_in_int8(arch: str) -> None:
    made = narrow(arch)
    content = FORMATS["onnx"].write_int8(made, metadata(arch), shown())
    assert error(made, content, "onnx") < NEARLY
    session = onnxruntime.InferenceSession(content)
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == ("images", "tensor(uint8)", ["batch", 32, 32, 3])
    assert (given.name, given.type, given.shape) == ("logits", "tensor(float)", ["batch", 10])
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["input"]) == "images: uint8 (N, 32, 32, 3), RGB, from 0 to 255; it normalises them"
    graph = onnx.load_from_string(content).graph
    stored = [onnx.numpy_helper.to_array(held) for held in graph.initializer]
    kernels = [constant for constant in stored if constant.ndim == 4 and constant.dtype != np.int64]
    assert kernels and {kernel.dtype for kernel in kernels} == {np.dtype(np.int8)}
    assert 63 <= max(np.abs(kernel.astype(int)).max() for kernel in kernels) <= 64  # 2 x 255 x 64 fit into 16 bits
    assert all(len(held.dims) < 2 for held in graph.initializer if held.data_type == onnx.TensorProto.FLOAT)


def test_large_products_do_not_saturate_on_any_processor() -> None:
    made = small()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(1 + parameter.abs())
    content = FORMATS["onnx"].write_int8(made, metadata(), shown())
    assert error(made, content, "onnx") < 0.05


class Reflected(nn.Module):
    """A kernel that is made from another, as those of architectures/reflection.py."""

    def __init__(self, outputs: int = 10) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(outputs // 2, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, torch.cat([self.weight, self.weight.flip(3)])).mean((2, 3))


def test_a_kernel_made_of_others_is_a_constant_of_the_onnx_file() -> None:
    many = Reflected(4096)  # torch.onnx folds smaller kernels itself
    content = FORMATS["onnx"].write_int8(many, metadata(in_channels=1), images(4, channels=1))
    graph = onnx.load_from_string(content).graph
    assert [list(held.dims) for held in graph.initializer if len(held.dims) == 4] == [[4096, 1, 3, 3]]
    assert not {node.op_type for node in graph.node} & {"Slice", "Concat"}


def test_the_ranges_are_those_of_the_calibration_images() -> None:
    made = small()
    black = np.zeros((4, 32, 32, 3), np.uint8)
    assert error(made, FORMATS["onnx"].write_int8(made, metadata(), black), "onnx") > 0.5
    assert error(made, FORMATS["onnx"].write_int8(made, metadata(), shown()), "onnx") < 0.2


def labelled(number: int) -> Labelled:
    return Labelled("made up", images(number), np.arange(number) % 10)


@pytest.mark.parametrize(("number", "calibrated"), [(3, 3), (10, 10), (200, 10)])
def test_no_image_both_calibrates_and_judges(number: int, calibrated: int) -> None:
    whole = labelled(20)
    first, second = split_calibration(whole, number)
    assert (len(first.labels), len(second.labels)) == (calibrated, 20 - calibrated)
    together = sorted(
        (image.tobytes(), label)
        for part in (first, second)
        for image, label in zip(part.images, part.labels, strict=True)
    )
    assert together == sorted((image.tobytes(), label) for image, label in zip(whole.images, whole.labels, strict=True))
    again, other = split_calibration(whole, number), split_calibration(whole, number, seed=1)
    assert np.array_equal(again[0].images, first.images)
    assert not np.array_equal(other[0].images, first.images)


def test_one_image_cannot_do_both() -> None:
    with pytest.raises(DataError, match="made up: 1 images; int8 needs two"):
        split_calibration(labelled(1), 200)


class Brightness(nn.Module):
    """The class is the tenth of the range in which the first pixel lies."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.one_hot((images[:, 0, 0, 0] * 0.2 + 0.3).mul(9.99).long(), 10).float()


def brightness() -> tuple[LoadedModel, Labelled]:
    """A network that is always right, and images to show it."""
    pixels = images(200)
    labels = (pixels[:, 0, 0, 0] / 255 * 9.99).astype(np.int64)
    return LoadedModel(Brightness(), metadata(), CPU, Path("network")), Labelled("shown", pixels, labels)


def wrong_below(share: float) -> Callable[[Tensor], Tensor]:
    """A network that answers another class for this share of the 200 images."""

    def logits(pixels: Tensor) -> Tensor:
        right = (pixels[:, 0, 0, 0] / 255 * 9.99).long()
        chosen = {image.tobytes() for image in images(200)[: round(200 * share)]}
        moved = torch.tensor([image.numpy().tobytes() in chosen for image in pixels])
        return nn.functional.one_hot(torch.where(moved, (right + 1) % 10, right), 10).float()

    return logits


def test_the_shares_are_those_of_correct_images() -> None:
    model, right = brightness()
    found = accuracies(model, wrong_below(0.015), right, batch_size=64)
    assert found == Accuracies("shown", 200, 1.0, 0.985)
    assert found.drop == 1.5
    assert accuracies(model, wrong_below(0), right).drop == 0


def test_what_costs_too_much_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, right = brightness()
    fake = dataclasses.replace(FORMATS["onnx"], write_int8=lambda *_: b"int8", read=lambda content: wrong_below(0.005))
    monkeypatch.setitem(FORMATS, "onnx", fake)
    out = tmp_path / "network.onnx"
    out.write_bytes(b"an older one")
    message = "int8 costs 0.50 points .* more than --max-drop 0.4: 100.00 % of 200 images in float32, 99.50 % in int8"
    with pytest.raises(AccuracyError, match=message) as raised:
        write_int8(model, "onnx", out, right, right, max_drop=0.4)
    assert raised.value.exit_code == 12
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an older one"]
    dark = dataclasses.replace(right, name="dark", labels=np.zeros(200, np.int64))
    done = write_int8(model, "onnx", out, right, right, max_drop=0.5, test=dark)
    assert out.read_bytes() == b"int8"
    said = json.loads((tmp_path / "network.onnx.json").read_text())
    assert said["int8"]["drop"] == done.held_out.drop == 0.5
    assert (said["bytes"], said["image_size"], said["fit"]) == (4, 32, "stretch")
    assert said["int8"]["test"]["name"] == "dark" and said["int8"]["test"]["float32"] < 0.3
    with pytest.raises(SaveError, match="No such file"):
        write_int8(model, "onnx", tmp_path / "none" / "network.onnx", right, right)


def test_only_some_formats_have_int8() -> None:
    require_int8("litert")
    with pytest.raises(EmberfieldError, match="there is no int8 for torch; valid: onnx, litert, executorch"):
        require_int8("torch")
