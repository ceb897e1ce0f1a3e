"""Memory, files and missing operators as they are judged before training, against the runtimes for devices."""

import runpy
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.micro import disagreements
from framework.export.formats import FORMATS
from framework.export.targets import TARGETS, missing_operators
from framework.inspection.budget import int8_budget
from framework.inspection.graph import record
from tests.framework.export import test_devices
from tests.framework.export.device_references import allocated, int8, reference
from tests.framework.export.test_formats import images, metadata
from tests.framework.export.test_litert_float32 import NORMS, WRITTEN_OUT, Activated, Normalized
from tests.framework.inspection.test_device_program import REFERENCES

pytestmark = test_devices.pytestmark
DEVICE = Path(__file__).parents[3] / "examples" / "device"
c_array = runpy.run_path(str(DEVICE / "c_array.py"))["c_array"]


@pytest.mark.parametrize("arch", ["s6_net", "c1c2c3c40_quick"])
def test_the_recorded_references_are_those_of_the_tools(arch: str) -> None:
    made = reference(arch, [])
    assert {name: made[name] for name in ("arena", "persistent")} == {
        name: REFERENCES[arch][name] for name in ("arena", "persistent")
    }
    assert made["files"]["litert"] == pytest.approx(REFERENCES[arch]["files"]["litert"], rel=1e-3)


class Branches(nn.Module):
    """What no registered network has: a shared kernel, a joined map, pooling, and a group norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared = nn.Conv2d(3, 64, 3, 2, 1), nn.Conv2d(64, 64, 3, padding=1)
        self.norm, self.head = nn.GroupNorm(2, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        y = self.shared(self.shared(x))
        joined = self.norm(torch.cat([x, y], 1))
        out: Tensor = self.head(nn.functional.avg_pool2d(joined, 2).mean((2, 3)))
        return out


@pytest.mark.parametrize("network", [Branches(), *map(Normalized, NORMS), *map(Activated, WRITTEN_OUT)], ids=str)
def test_another_network_stays_within_the_bounds(network: nn.Module) -> None:
    network.eval()
    budget = int8_budget(record(network, (3, 32, 32)))
    assert budget is not None
    content = int8(network)
    assert budget[0].size == pytest.approx(len(content), rel=0.05)
    assert allocated(content)["arena"] <= budget[1].arena <= 1.15 * allocated(content)["arena"]


def test_a_large_file_keeps_its_weights_inside_where_micro_reads_them() -> None:
    network = nn.Sequential(nn.Conv2d(3, 96, 3, 4), nn.Conv2d(96, 320, 3), nn.Flatten(), nn.Linear(320 * 36, 10)).eval()
    content = int8(network)
    assert len(content) > 300_000 and allocated(content)["arena"] < 100_000


class Applied(nn.Module):
    """A convolution, then a function by its name in torch, then an average."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.conv, self.name = nn.Conv2d(3, 4, 3), name

    def forward(self, x: Tensor) -> Tensor:
        applied: Any = {
            "adaptive_max_pool2d": lambda y: nn.functional.adaptive_max_pool2d(y, 4),  # of 14 or 30 pixels
            "cumsum": lambda y: y.cumsum(3),
        }.get(self.name) or getattr(torch, self.name)
        out: Tensor = applied(self.conv(x)).mean((2, 3), keepdim=True)
        return out


@pytest.mark.parametrize("target", TARGETS)
def test_a_plain_network_lacks_nothing(target: str) -> None:
    assert missing_operators(Applied("relu").eval(), (3, 16, 16), target) == {}


@pytest.mark.parametrize("name", ["adaptive_max_pool2d", "i0"])
@pytest.mark.parametrize("target", ["litert", "tflm"])
def test_what_litert_has_no_lowering_for_is_really_refused(target: str, name: str) -> None:
    network = Applied(name).eval()
    assert list(missing_operators(network, (3, 16, 16), target)) == [f"aten.{name}"]
    with pytest.raises(ValueError, match=f"Lowering not found: aten.{name}"):
        FORMATS["litert"].write(network, metadata())


@pytest.mark.parametrize("name", ["erf", "cumsum"])
def test_what_xnnpack_leaves_really_runs_one_by_one(name: str) -> None:
    assert missing_operators(Applied(name).eval(), (3, 16, 16), "executorch") == {f"aten.{name}": ("the model itself",)}
    assert f"aten::{name}".encode() in FORMATS["executorch"].write(Applied(name).eval(), metadata())
    assert b"aten::relu" not in FORMATS["executorch"].write(Applied("relu").eval(), metadata())


def test_what_executorch_refuses_and_onnx_cannot_write() -> None:
    assert list(missing_operators(Applied("i0").eval(), (3, 16, 16), "executorch")) == ["aten.i0"]
    assert list(missing_operators(Applied("i0").eval(), (3, 16, 16), "onnxruntime")) == ["prims.bessel_i0"]
    for name in ("executorch", "onnx"):
        with pytest.raises(ValueError, match="the network cannot be expressed in"):
            FORMATS[name].write(Applied("i0").eval(), metadata())


def test_what_micro_does_not_find_really_fails() -> None:
    from tflite_micro.python.tflite_micro import runtime

    network = Applied("erf").eval()
    missing = missing_operators(network, (3, 16, 16), "tflm")
    content = FORMATS["litert"].write(network, metadata())
    if missing:
        with pytest.raises(RuntimeError):
            runtime.Interpreter.from_bytes(content, arena_size=1 << 20)
    else:
        runtime.Interpreter.from_bytes(content, arena_size=1 << 20)


def test_micro_predicts_in_int8_what_the_reference_kernels_do() -> None:
    assert len(disagreements(int8(Branches().eval()), images(1000))) <= 2


def test_the_c_program_classifies_a_raw_image(tmp_path: Path) -> None:
    import ai_edge_litert

    content, image = int8(Branches().eval()), images(1)
    (tmp_path / "network.h").write_text(c_array(content))
    (tmp_path / "image.raw").write_bytes(image.tobytes())
    folder, program = ai_edge_litert.__path__[0], str(tmp_path / "classify")
    source = ["-I", str(tmp_path), str(DEVICE / "classify.c"), f"{folder}/libLiteRt.so", f"-Wl,-rpath,{folder}"]
    compiling = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", *source, "-o", program]
    subprocess.run(compiling, check=True)
    done = subprocess.run([program, str(tmp_path / "image.raw")], check=True, capture_output=True, text=True)
    *logits, label = (line.split()[1] for line in done.stdout.splitlines())
    expected = FORMATS["litert"].read(content)(torch.from_numpy(image))[0]
    np.testing.assert_allclose([float(each) for each in logits], expected, atol=1e-5)
    assert int(label) == int(expected.argmax())
    short = tmp_path / "short.raw"
    short.write_bytes(b"0")
    assert subprocess.run([program, str(short)], capture_output=True).returncode == 2
    (tmp_path / "network.h").write_text(c_array(FORMATS["litert"].write(Branches().eval(), metadata())))
    subprocess.run(compiling, check=True)
    refused = subprocess.run([program, str(tmp_path / "image.raw")], capture_output=True, text=True)
    assert refused.returncode == 1 and "does not take uint8 images: export it with --int8" in refused.stderr
