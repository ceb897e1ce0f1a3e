import dataclasses
import functools
import io
import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from architectures import create, names
from framework.checkpoint.metadata import ModelMetadata
from framework.errors import DeviceError, EmberfieldError
from framework.export.agreement import agreement, require_agreement
from framework.export.formats import FORMATS, require_installed, write_weights

ARCHITECTURES = names() if os.environ.get("EMBERFIELD_SOAK") else ["c1c2c3c40", "c1c2c3c40_reference"]
EVERYWHERE = ("onnx", "torch")
"""The formats of the default environment; tests/framework/export/test_devices.py has the others."""


def metadata(arch: str = "c1c2c3c40", in_channels: int = 3) -> ModelMetadata:
    return ModelMetadata(
        arch=arch,
        arch_options={},
        in_channels=in_channels,
        image_size=32,
        class_names=[f"class {number}" for number in range(10)],
        mean=[0.3, 0.5, 0.7][:in_channels],
        std=[0.2, 0.25, 0.3][:in_channels],
        data="made up",
        data_hash="",
        precision="float32",
        augment_on="cpu",
    )


def network(arch: str) -> nn.Module:
    """A new network with running statistics that are not the identity."""
    torch.manual_seed(0)
    made = create(arch)
    made(torch.randn(8, 3, 32, 32))
    return made.eval().to(memory_format=torch.channels_last)


@functools.cache
def exported(name: str) -> bytes:
    """The default network in a format, written once for all tests."""
    return FORMATS[name].write(network("c1c2c3c40"), metadata())


def images(number: int, channels: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (number, 32, 32, channels), np.uint8)


def test_weights_are_the_state_dict_with_the_metadata_as_json(tmp_path: Path) -> None:
    made = network("c1c2c3c40")
    write_weights(tmp_path / "weights.safetensors", made, metadata())
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        assert set(file.keys()) == set(made.state_dict())
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in made.state_dict().items())
        described = {name: json.loads(value) for name, value in file.metadata().items()}
    assert (described["arch"], described["class_names"]) == ("c1c2c3c40", metadata().class_names)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_network_computes_the_same_in_every_format(name: str, arch: str) -> None:
    made, described = network(arch), metadata(arch)
    content = exported(name) if arch == "c1c2c3c40" else FORMATS[name].write(made, described)
    agreed = agreement(made, FORMATS[name].read(content), images(12), described.statistics, batch_size=5)
    require_agreement(agreed)
    assert (agreed.images, agreed.equal) == (12, 12)


def test_an_onnx_file_holds_nothing_that_no_runtime_reads() -> None:
    graph = onnx.load_from_string(exported("onnx")).graph
    assert not graph.metadata_props and not any(node.metadata_props or node.doc_string for node in graph.node)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_network_is_left_as_it_was_and_grey_images_will_do(name: str) -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 10, 3), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    made, described = nn.Sequential(*layers).to(memory_format=torch.channels_last), metadata(in_channels=1)
    before = {key: tensor.clone() for key, tensor in made.state_dict().items()}
    read = FORMATS[name].read(FORMATS[name].write(made, described))
    assert made.training
    require_agreement(agreement(made.eval(), read, images(3, channels=1), described.statistics))
    assert made[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(before[key], tensor) for key, tensor in made.state_dict().items())


def test_onnx_says_what_it_takes_and_gives() -> None:
    content = exported("onnx")
    session = onnxruntime.InferenceSession(content)
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == ("images", "tensor(float)", ["batch", 3, 32, 32])
    assert (given.name, given.type, given.shape) == ("logits", "tensor(float)", ["batch", 10])
    said = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert said["class_names"] == metadata().class_names
    assert said["input"] == "images: float32 (N, 3, 32, 32), RGB, from 0 to 1; it normalises them"
    assert said["output"] == "logits: float32 (N, 10), in the order of class_names"
    assert b"site-packages" not in content


def test_torch_says_the_same_and_takes_any_batch() -> None:
    content = exported("torch")
    extra = {"metadata.json": ""}
    program = torch.export.load(io.BytesIO(content), extra_files=extra)
    assert json.loads(json.loads(extra["metadata.json"])["class_names"]) == metadata().class_names
    assert [program.module()(torch.rand(n, 3, 32, 32)).shape for n in (1, 2, 7)] == [(1, 10), (2, 10), (7, 10)]
    assert b"site-packages" not in content


class Fickle(nn.Module):
    """A branch on the values, which no graph can hold."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) if x.sum() > 0 else x.flatten(1) + 1


class Spectral(nn.Module):
    """An operator that ONNX does not have."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x[:, 0]).real


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.filterwarnings("ignore")  # what torch says on its way to refusing
def test_a_network_that_cannot_be_traced_is_refused(name: str) -> None:
    with pytest.raises(EmberfieldError, match="the network cannot be traced by torch.export: .*data-dependent"):
        FORMATS[name].write(Fickle(), metadata())


@pytest.mark.filterwarnings("ignore")  # as above
def test_a_network_beyond_onnx_is_refused() -> None:
    with pytest.raises(EmberfieldError, match="the network cannot be expressed in ONNX: .*linalg_eig"):
        FORMATS["onnx"].write(Spectral(), metadata())


def test_what_is_not_installed_is_named_with_the_extra() -> None:
    require_installed(FORMATS["onnx"])
    with pytest.raises(DeviceError, match=r"not installed: absent_one, absent_two. .* 'emberfield\[export\]'"):
        require_installed(dataclasses.replace(FORMATS["onnx"], needs=("onnx", "absent_one", "absent_two")))
