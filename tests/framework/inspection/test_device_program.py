"""The program that a device runs, its memory and its file, against what the tools themselves made and reported."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from architectures import create, names
from framework.inspection.flash import flash
from framework.inspection.graph import record
from framework.inspection.lowering import lower
from framework.inspection.memory import memory
from framework.inspection.program import Program

REFERENCES = json.loads(Path(__file__).parents[2].joinpath("fixtures", "device_budget.json").read_text("utf-8"))
"""By network: what tflite-micro reported and how many bytes the files had; written by
`EMBERFIELD_DEVICES=1 python -m tests.framework.export.device_references tests/fixtures/device_budget.json`."""

IN_MICRO = [name for name, made in REFERENCES.items() if "arena" in made]


@functools.cache
def program(arch: str, *, divided: bool = True) -> Program:
    with torch.device("meta"):
        return lower(record(create(arch), (3, 32, 32)), divided=divided)


def of(network: nn.Module, *shape: int) -> list[tuple[str, int]]:
    """The operators between the pixels and the logits, with the bytes of what each makes."""
    made = lower(record(network, shape or (2, 8, 8)))  # type: ignore[arg-type]
    return [(step.operator, made.sizes[step.makes]) for step in made.steps[4:-1]]


def test_every_network_has_a_reference() -> None:
    assert sorted(REFERENCES) == [name for name in names() if program(name).unknown is None]


def test_micro_runs_every_network_that_has_no_gelu() -> None:
    assert [name for name in REFERENCES if "GELU" not in {step.operator for step in program(name).steps}] == IN_MICRO


@pytest.mark.parametrize("arch", IN_MICRO)
def test_memory_is_never_below_the_interpreters_and_at_most_15_percent_above(arch: str) -> None:
    ours, reference = memory(program(arch)), REFERENCES[arch]
    assert reference["arena"] <= ours.arena <= 1.15 * reference["arena"]
    assert reference["persistent"] <= ours.persistent <= 1.15 * reference["persistent"]


@pytest.mark.parametrize(
    ("arch", "name"), [(arch, name) for arch, made in REFERENCES.items() for name in made["files"]]
)
def test_files_are_within_5_percent(arch: str, name: str) -> None:
    assert flash(program(arch, divided=name != "onnx"), name).size == pytest.approx(
        REFERENCES[arch]["files"][name], rel=0.05
    )


def test_norm_and_activation_go_into_the_convolution() -> None:
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()]
    assert of(nn.Sequential(*layers)) == [("CONV_2D", 256)]
    alone = [("SUB", 128), ("MUL", 128), ("MUL", 128), ("ADD", 128)]
    assert of(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2))) == [("RELU", 128), *alone]
    assert of(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2, affine=False))) == [("RELU", 128), *alone[:2]]


def normalized(shape: int, groups: int, *, affine: bool) -> list[tuple[str, int]]:
    """The steps in float32 of a normalisation, and the bytes of what they make."""
    statistics = ("ADD", "RSQRT", "MUL", "SUB", "RESHAPE")
    return [
        *((name, 4 * shape) for name in ("DEQUANTIZE", "RESHAPE")),
        *((name, 4 * groups) for name in ("MEAN", "RESHAPE")),
        ("SQUARED_DIFFERENCE", 4 * shape),
        *((name, 4 * groups) for name in ("MEAN", *statistics)),
        *(("MUL", 4 * shape), ("RESHAPE", 4 * groups), ("ADD", 4 * shape)),
        *((name, 4 * shape) for name in (("MUL", "ADD", "RESHAPE") if affine else ("RESHAPE",))),
        ("QUANTIZE", shape),
    ]


def test_the_other_norms_are_in_float32() -> None:
    first, view = ("TRANSPOSE", 256), ("RESHAPE", 256)
    assert of(nn.GroupNorm(2, 4), 4, 8, 8) == [first, *normalized(256, 2, affine=True)]
    assert of(nn.GroupNorm(1, 4, affine=False), 4, 8, 8) == [first, *normalized(256, 1, affine=False)]
    assert of(nn.InstanceNorm2d(4), 4, 8, 8) == [view, first, *normalized(256, 4, affine=False), view]
    assert of(nn.InstanceNorm2d(4, affine=True), 4, 8, 8) == [view, first, *normalized(256, 4, affine=True), view]
    assert of(nn.LayerNorm(8), 4, 8, 8) == normalized(256, 32, affine=True)
    stored = [step for step in lower(record(nn.GroupNorm(2, 4), (4, 8, 8))).steps if step.weights == 4]
    assert [step.width for step in stored if step.operator in ("MUL", "ADD")][-2:] == [4, 4]


def test_a_shared_kernel_is_in_the_file_once_but_for_executorch() -> None:
    shared, own = nn.Conv2d(8, 8, 3, padding=1), [nn.Conv2d(8, 8, 3, padding=1) for _ in range(2)]
    once, twice = (lower(record(nn.Sequential(*layers), (8, 8, 8))) for layers in ([shared, shared], own))
    kernel = 8 * 8 * 3 * 3
    assert all(flash(twice, name).size - flash(once, name).size > kernel for name in ("litert", "onnx"))
    assert flash(twice, "executorch").size == flash(once, "executorch").size


class Twice(nn.Module):
    """What the activation reads, something else reads too."""

    def forward(self, x: Tensor) -> Tensor:
        y = x + x
        return y.relu() * y


def test_a_map_that_is_read_again_stays() -> None:
    assert of(Twice()) == [("ADD", 128), ("RELU", 128), ("MUL", 128)]


def in_float32(*operators: str) -> list[tuple[str, int]]:
    """Operators on a map of 128 numbers in float32."""
    return [("DEQUANTIZE", 512), *((operator, 512) for operator in operators), ("QUANTIZE", 128)]


SOFTPLUS = ("ABS", "MUL", "EXP", "RELU", "ADD", "LOG", "ADD")


@pytest.mark.parametrize(
    ("layer", "operators"),
    [
        (nn.Conv2d(2, 4, 3, 2, 1), [("PAD", 200), ("CONV_2D", 64)]),
        (nn.Conv2d(2, 4, 3, 2, 1, groups=2), [("PAD", 200), ("DEPTHWISE_CONV_2D", 64)]),
        (nn.Conv2d(2, 4, 3), [("CONV_2D", 144)]),
        (nn.ConvTranspose2d(2, 4, 2, 2), [("TRANSPOSE_CONV", 1024)]),
        (nn.SiLU(), [("LOGISTIC", 128), ("MUL", 128)]),
        (nn.ELU(), in_float32("MINIMUM", "EXP", "SUB", "RELU", "ADD")),
        (nn.CELU(0.5), in_float32("MINIMUM", "MUL", "EXP", "SUB", "RELU", "MUL", "ADD")),
        (nn.SELU(), in_float32("MINIMUM", "EXP", "SUB", "RELU", "MUL", "ADD", "MUL")),
        (nn.LogSigmoid(), in_float32(*SOFTPLUS, "MUL")),
        (nn.Softplus(), in_float32(*SOFTPLUS)),
        (nn.Softplus(2.0), in_float32("MUL", *SOFTPLUS, "MUL")),
        (nn.Mish(), in_float32(*SOFTPLUS, "TANH", "MUL")),
        (nn.AdaptiveAvgPool2d(1), [("MEAN", 2)]),
        (nn.AvgPool2d(8), [("MEAN", 2)]),
        (nn.MaxPool2d(2), [("MAX_POOL_2D", 32)]),
        (nn.AdaptiveMaxPool2d(1), [("MAX_POOL_2D", 2)]),
        (nn.AdaptiveMaxPool2d((4, None)), [("MAX_POOL_2D", 64)]),
        (nn.AdaptiveMaxPool2d(8), []),
        (nn.Sequential(nn.Flatten(), nn.Linear(128, 3)), [("RESHAPE", 128), ("FULLY_CONNECTED", 3)]),
    ],
)
def test_layers_by_hand(layer: nn.Module, operators: list[tuple[str, int]]) -> None:
    assert of(layer) == operators


def test_a_large_depthwise_kernel_is_a_sum_of_three() -> None:
    whole = nn.Conv2d(2, 2, 7, padding=6, dilation=2, groups=2, bias=False)
    conv, one = ("DEPTHWISE_CONV_2D", 128), ("CONV_2D", 128)
    assert of(whole) == [conv, conv, ("ADD", 128), conv, ("ADD", 128)]
    weights = [step.weights for step in lower(record(whole, (2, 8, 8))).steps if step.weights]
    assert weights == [2 * 8, 2 * 20, 2 * 21]
    assert of(nn.Sequential(whole, nn.BatchNorm2d(2)).eval()) == [conv]
    assert of(nn.Conv2d(2, 2, 7, padding=6, dilation=2)) == [one]
    assert [name for name, _ in of(nn.Conv2d(2, 2, 7, groups=2))].count("DEPTHWISE_CONV_2D") == 1
    made = lower(record(whole, (2, 8, 8)), divided=False)
    assert [step.operator for step in made.steps].count("DEPTHWISE_CONV_2D") == 1


def test_taps_that_meet_no_pixel_are_not_stored() -> None:
    whole = nn.Conv2d(2, 2, 7, padding=9, dilation=3, groups=2, bias=False)
    (step,) = [step for step in lower(record(whole, (2, 8, 8))).steps if step.weights]
    assert step.weights == 2 * 25


class Shared(nn.Module):
    """One kernel, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(self.conv(x))
        return out


def test_memory_of_a_pair_of_convolutions_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(2, 32, 3, padding=1), nn.Conv2d(32, 16, 3, padding=1), nn.AdaptiveAvgPool2d(1))
    used = memory(lower(record(network, (2, 8, 8))))
    assert (used.arena, used.layer, used.operator) == (8 * 8 * (32 + 16), "1", "CONV_2D")
    pixels = memory(lower(record(nn.Conv2d(2, 1, 1), (2, 8, 8))))
    assert pixels.arena == 2 * 4 * 2 * 8 * 8 and pixels.operator == "SUB"  # in float32, before and after


def test_memory_of_an_activation_in_float32_is_that_of_three_maps() -> None:
    """tflite-micro's too; it places of equal tensors the last first, and those that int8 adds are the last."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ELU())
    assert memory(lower(record(network, (3, 32, 32)))).arena == 3 * 4 * 8 * 30 * 30


def test_a_shared_kernel_is_stored_once_and_another_one_twice() -> None:
    twice = flash(lower(record(nn.Sequential(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)), (2, 8, 8))))
    once = flash(lower(record(Shared(), (2, 8, 8))))
    assert twice.size - once.size == 2 * 2 * 9 + 2 * 28 + 245


class Unusual(nn.Module):
    """An operator that has no rule."""

    def forward(self, x: Tensor) -> Any:
        return torch.special.i0(x)


def test_an_operator_without_a_rule_is_named() -> None:
    unknown = lower(record(Unusual(), (2, 8, 8))).unknown
    assert unknown is not None and "i0" in unknown.target


def test_adaptive_windows_of_several_sizes_are_named() -> None:
    unknown = lower(record(nn.AdaptiveMaxPool2d(3), (2, 8, 8))).unknown
    assert unknown is not None and unknown.target == "adaptive_max_pool2d"


def test_a_softplus_whose_threshold_shows_is_named() -> None:
    unknown = lower(record(nn.Softplus(threshold=16.0), (2, 8, 8))).unknown
    assert unknown is not None and unknown.target == "softplus"
    assert lower(record(nn.Softplus(threshold=17.0), (2, 8, 8))).unknown is None
