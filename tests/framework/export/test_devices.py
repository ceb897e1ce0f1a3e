"""The formats for devices, through the runtimes of the extras litert, executorch and tflm.

The default environment has none of them. `make test-devices` has them all, and fails where one is missing.
"""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import architectures
from architectures import PRETRAINED
from architectures.primitives import ACTIVATIONS
from framework.checkpoint.loaded_model import load_pretrained
from framework.data.statistics import normalize, normalizer
from framework.errors import DifferenceError, EmberfieldError
from framework.export.agreement import agreement, require_agreement
from framework.export.benchmark import Prepared, planes, timed
from framework.export.formats import FORMATS
from framework.export.targets import missing_operators
from tests.framework.experiment.running import run
from tests.framework.export.test_formats import images, metadata
from tests.framework.export.test_int8 import NEARLY, Reflected, error, narrow, shown, small
from tests.framework.export.test_litert_float32 import NORMS, WRITTEN_OUT, Activated, Normalized
from tests.framework.ops.test_fake_quantize import distances, unbalanced

NEEDS = ("litert_torch", "ai_edge_litert", "executorch", "torchao", "tflite_micro")
MISSING = [name for name in NEEDS if importlib.util.find_spec(name) is None]
FOR_DEVICES = ("litert", "executorch")
PUBLISHED = sorted({name.partition(".")[0] for name in PRETRAINED})
NARROW = [name for name in architectures.names() if name != "c1c2c3c40_gated_mirror_small"]
"""Those that differ where every width is the same."""

pytestmark = [
    pytest.mark.devices,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        bool(MISSING) and "EMBERFIELD_DEVICES" not in os.environ, reason=f"not installed: {', '.join(MISSING)}"
    ),
    pytest.mark.filterwarnings("ignore"),  # of the converters, at their import too
]


def test_every_runtime_is_there() -> None:
    assert MISSING == []


@pytest.mark.parametrize("arch", PUBLISHED)
@pytest.mark.parametrize("name", FOR_DEVICES)
def test_every_published_network_computes_the_same(name: str, arch: str) -> None:
    trained = load_pretrained(architectures, arch, torch.device("cpu"))
    content = FORMATS[name].write(trained.network, trained.metadata)
    agreed = agreement(trained.network, FORMATS[name].read(content), images(20), trained.metadata.statistics)
    require_agreement(agreed)
    assert (agreed.images, agreed.equal) == (20, 20)


@pytest.mark.parametrize("arch", NARROW)
@pytest.mark.parametrize("name", FOR_DEVICES)
def test_every_registered_network_computes_nearly_the_same_in_int8(name: str, arch: str) -> None:
    made = narrow(arch)
    assert error(made, FORMATS[name].write_int8(made, metadata(arch), shown()), name) < NEARLY


@pytest.mark.parametrize("arch", ["airbench96", "davidnet"])
@pytest.mark.parametrize("name", FOR_DEVICES)
def test_a_network_with_a_global_maximum_computes_the_same(name: str, arch: str) -> None:
    made = narrow(arch)
    assert missing_operators(made, (3, 32, 32), name) == {}
    exported = FORMATS[name].read(FORMATS[name].write(made, metadata(arch)))
    agreed = agreement(made, exported, shown(), metadata().statistics)
    require_agreement(agreed)
    assert agreed.equal == len(shown())
    averaged = narrow(arch)
    averaged.pool = nn.AdaptiveAvgPool2d(1)
    with pytest.raises(DifferenceError):
        require_agreement(agreement(averaged, exported, shown(), metadata().statistics))


@pytest.mark.parametrize("name", FOR_DEVICES)
def test_kernels_that_reach_beyond_their_maps_are_exported_in_int8(name: str) -> None:
    """At 8x8 pixels the outermost rows of a 7x7 kernel with dilation 3 meet none: a part of theirs is always 0."""
    torch.manual_seed(0)
    made = architectures.create("c1c2c3c40_gated_mirror", widths=(16, 64), depths=(1, 2, 4)).eval()
    assert error(made, FORMATS[name].write_int8(made, metadata(), shown()), name) < NEARLY


@pytest.mark.parametrize("name", FOR_DEVICES)
def test_a_map_that_is_always_zero_is_exported_in_int8(name: str) -> None:
    """XNNPACK refuses a step of 0, and may end the process."""
    made = small()
    assert isinstance(made[0], nn.Conv2d)
    nn.init.constant_(made[0].bias, -100.0)
    found = FORMATS[name].read(FORMATS[name].write_int8(made, metadata(), shown()))(torch.from_numpy(shown()))
    torch.testing.assert_close(found, made(torch.zeros(len(shown()), 3, 32, 32)), rtol=0, atol=0.02)


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_a_normalisation_is_as_exact_in_int8_in_litert_as_where_it_is_one_operator(norm: nn.Module) -> None:
    made = Normalized(norm).eval()
    litert, executorch = (error(made, FORMATS[x].write_int8(made, metadata(), shown()), x) for x in FOR_DEVICES)
    assert litert < min(1.25 * executorch, NEARLY)


@pytest.mark.parametrize("activation", [*(make() for make in ACTIVATIONS.values()), *WRITTEN_OUT], ids=str)
def test_every_activation_is_as_exact_in_int8_as_the_rectifier(activation: nn.Module) -> None:
    made = Activated(activation).eval()
    for name in FOR_DEVICES:
        assert error(made, FORMATS[name].write_int8(made, metadata(), shown()), name) < 0.03  # 0.017 of ReLU


def test_what_executorch_writes_but_does_not_run_is_said() -> None:
    made = Activated(nn.Hardshrink()).eval()
    content = FORMATS["executorch"].write_int8(made, metadata(), shown())
    with pytest.raises(EmberfieldError, match="the network cannot be run by ExecuTorch"):
        FORMATS["executorch"].read(content)(torch.from_numpy(shown()))


def of_one_dead_channel(times: int = 1) -> nn.Module:
    """A depthwise kernel, used so many times, has a channel that batch normalisation divided by almost nothing."""
    torch.manual_seed(0)
    first, depthwise = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8)
    with torch.no_grad():
        first.weight[2], first.bias[2] = 0, -1  # type: ignore[index]
        depthwise.weight[2] *= 30_000
    used = (layer for _ in range(times) for layer in (depthwise, nn.ReLU6()))
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    return nn.Sequential(first, nn.ReLU(), *used, *head).eval()


@pytest.mark.parametrize("times", [1, 2])
def test_a_channel_beyond_xnnpack_is_limited_in_litert(times: int) -> None:
    """XNNPACK would refuse a step of a product of 256 steps of the output, and might end the process."""
    made = of_one_dead_channel(times)
    found = FORMATS["litert"].read(FORMATS["litert"].write_int8(made, metadata(), shown()))(torch.from_numpy(shown()))
    expected = made(normalize(torch.from_numpy(shown()), metadata().statistics))
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)


class Shared(nn.Module):
    """A depthwise layer that is used twice."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 10)
        self.shared = nn.Conv2d(8, 8, kernel, padding=kernel // 2, groups=8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(self.stem(x).relu()).relu()
        return self.head(self.shared(x).relu().mean((2, 3)))


@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("name", FOR_DEVICES)
def test_a_layer_that_is_used_twice_computes_nearly_the_same_in_int8(name: str, kernel: int) -> None:
    made = Shared(kernel).eval()
    assert error(made, FORMATS[name].write_int8(made, metadata(), shown()), name) < NEARLY


def test_what_executorch_cannot_load_is_refused_with_the_reason() -> None:
    content = FORMATS["executorch"].write(small(), metadata())
    with pytest.raises(EmberfieldError, match="cannot be run by ExecuTorch"):
        FORMATS["executorch"].read(content[:100])


@pytest.mark.parametrize("name", FOR_DEVICES)
def test_a_device_computes_in_int8_what_training_simulates(name: str) -> None:
    simulation, float32 = distances(unbalanced(), name)
    assert simulation < float32 / 2 and float32 > 0.6


def test_a_litert_file_in_int8_takes_bytes_and_micro_computes_the_same() -> None:
    from ai_edge_litert.interpreter import Interpreter
    from tflite_micro.python.tflite_micro import runtime

    from framework.export.litert import read_metadata

    content = FORMATS["litert"].write_int8(small(), metadata(), images(16))
    said = read_metadata(content)
    assert said["input"] == "images: uint8 (1, 32, 32, 3), RGB, from 0 to 255; it normalises them"
    assert (said["image_size"], said["fit"]) == (32, "stretch")
    interpreter = Interpreter(model_content=content)
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (taken["dtype"], list(taken["shape"])) == (np.uint8, [1, 32, 32, 3])
    assert (given["dtype"], list(given["shape"])) == (np.float32, [1, 10])
    kernels = [held for held in interpreter.get_tensor_details() if len(held["shape"]) == 4 and held["shape"][0] == 8]
    assert [held["dtype"] for held in kernels] == [np.int8, np.int8]
    assert [len(held["quantization_parameters"]["scales"]) for held in kernels] == [8, 8]
    micro, expected = (
        runtime.Interpreter.from_bytes(content),
        FORMATS["litert"].read(content)(torch.from_numpy(images(4))),
    )
    for image, logits in zip(images(4), expected, strict=True):
        micro.set_input(image[None], 0)
        micro.invoke()
        np.testing.assert_allclose(micro.get_output(0)[0], logits, atol=0.02)


def test_an_executorch_file_in_int8_says_what_it_takes_and_is_given_to_xnnpack() -> None:
    from executorch.runtime import Runtime

    content = FORMATS["executorch"].write_int8(small(), metadata(), images(16))
    (said,) = Runtime.get().load_program(content).load_method("metadata").execute([])
    assert "uint8 (1, 32, 32, 3)" in json.loads(said)["input"]
    assert b"XnnpackBackend" in content
    assert not [name for name in (b"aten::convolution", b"aten::addmm", b"aten::mean") if name in content]


def test_a_kernel_made_of_others_is_a_constant_in_the_file() -> None:
    from framework.export.traced import folded

    made = Reflected()
    module, example = folded(made, metadata(in_channels=1))
    called = {str(node.target) for node in module.graph.nodes if node.op == "call_function"}  # type: ignore[union-attr]
    assert not any("flip" in target or "cat" in target for target in called)
    assert module(example).shape == (1, 10)
    assert made.weight.requires_grad
    content = FORMATS["executorch"].write(made, metadata(in_channels=1))
    assert b"aten::flip" not in content and b"XnnpackBackend" in content


@pytest.mark.parametrize("arch", PUBLISHED)
def test_a_published_network_is_no_slower_in_executorch_than_in_pytorch(arch: str) -> None:
    trained = load_pretrained(architectures, arch, torch.device("cpu"))
    assert missing_operators(trained.network, trained.metadata.input_shape, "executorch") == {}
    content = FORMATS["executorch"].write(trained.network, trained.metadata)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        normalized = normalizer(trained.metadata.statistics, torch.device("cpu"))
        eager = Prepared("PyTorch", "float32", lambda x: trained.network(normalized(x)), torch.clone)
        exported = Prepared("ExecuTorch", "float32", FORMATS["executorch"].read(content), planes)
        plain, runtime = timed([eager, exported], images(1)[0], None, rounds=30)
    finally:
        torch.set_num_threads(threads)
    assert runtime.cpu_ms < plain.cpu_ms


def test_the_benchmark_has_every_runtime(tmp_path: Path) -> None:
    result = run("benchmark", "c1c2c3c40", "--rounds", "3", "--out", tmp_path / "benchmark.json")
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
    runtimes = ["ONNX Runtime", "LiteRT", "ExecuTorch"]
    expected = [("PyTorch", "float32"), *((name, kind) for name in runtimes for kind in ("float32", "int8"))]
    assert [(row["runtime"], row["precision"]) for row in rows] == expected
    assert [row["runtime"] for row in rows if row["memory_bytes"]] == ["LiteRT"]


def test_a_litert_file_says_what_it_takes_and_micro_computes_the_same() -> None:
    from tflite_micro.python.tflite_micro import runtime

    from framework.export.litert import read_metadata

    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)).eval()
    content = FORMATS["litert"].write(made, metadata(in_channels=1))
    said = read_metadata(content)
    assert said["class_names"] == metadata().class_names
    assert said["input"] == "images: float32 (1, 1, 32, 32), 1 channels, from 0 to 1; it normalises them"
    pixels = torch.from_numpy(images(1, channels=1)).permute(0, 3, 1, 2).contiguous() / 255
    interpreter = runtime.Interpreter.from_bytes(content)
    interpreter.set_input(pixels.numpy(), 0)
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_output(0), FORMATS["litert"].read(content)(pixels), atol=1e-5)


def test_an_executorch_file_says_what_it_takes() -> None:
    from executorch.runtime import Runtime

    made = nn.Sequential(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    content = FORMATS["executorch"].write(made, metadata(in_channels=1))
    (said,) = Runtime.get().load_program(content).load_method("metadata").execute([])
    assert json.loads(json.loads(said)["class_names"]) == metadata().class_names


class Spectral(nn.Module):
    """An operator that neither format has."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x[:, 0]).real


@pytest.mark.parametrize("name", FOR_DEVICES)
def test_a_network_beyond_the_format_is_refused(name: str) -> None:
    with pytest.raises(EmberfieldError, match="the network cannot be expressed in"):
        FORMATS[name].write(Spectral(), metadata())


def test_the_command_writes_a_checked_file(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "rgb.npz", x_train=rgb, y_train=np.arange(20), x_test=rgb, y_test=np.arange(20))
    named = ("export", "--arch", "c1c2c3c40", "--pretrained", "--format", "litert", "--data", tmp_path / "rgb.npz")
    done = run(*named, "--out", tmp_path / "network.tflite")
    assert done.exit_code == 0, done.output
    assert "equal predictions 20 of 20" in done.output
    other = 255 - rgb
    trained = load_pretrained(architectures, "c1c2c3c40", torch.device("cpu"))
    same = {"y_train": np.arange(20) % 10, "y_test": np.arange(20) % 10, "class_names": trained.metadata.class_names}
    np.savez(tmp_path / "other.npz", x_train=other, x_test=rgb, **same)
    int8 = run(
        *named,
        "--out",
        tmp_path / "int8.tflite",
        "--int8",
        "--calibration",
        tmp_path / "other.npz",
        "--max-drop",
        "100",
    )
    assert int8.exit_code == 0, int8.output
    assert "calibrated on 10 of other" in int8.output
    assert json.loads((tmp_path / "int8.tflite.json").read_text())["int8"]["held_out"]["images"] == 10
