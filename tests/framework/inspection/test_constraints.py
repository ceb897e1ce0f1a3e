import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from architectures import create
from framework.config import ConstraintsConfig
from framework.errors import ConstraintError, EmberfieldError
from framework.inspection import check, require
from framework.inspection.constraints import check_accuracy

SHAPE = (3, 32, 32)
ASSIGNMENT = ConstraintsConfig(
    max_params=199_999,
    min_receptive_field=45,
    requires=("depthwise_separable", "dilated", "global_average_pooling"),
    forbids=("max_pooling", "pooling"),
)


class Call(nn.Module):
    """A module whose forward is a function of itself and the image, for calls that hide in it."""

    def __init__(self, function: Callable[..., Tensor], **parameters: Tensor) -> None:
        super().__init__()
        self.function = function
        for name, value in parameters.items():
            self.register_parameter(name, nn.Parameter(value))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def holds(network: nn.Module, **declared: Any) -> bool:
    (finding,) = check(network, SHAPE, ConstraintsConfig(**declared))
    return finding.holds


@pytest.mark.parametrize("form", ["", "_quick", "_reference", "_dilated"])
def test_the_assignment_is_met(form: str) -> None:
    findings = check(create(f"c1c2c3c40{form}"), SHAPE, ASSIGNMENT)
    assert len(findings) == 7
    require(findings)


def test_the_max_pooling_network_is_refused_with_every_broken_line() -> None:
    findings = check(create("c1c2c3c40_maxpool"), SHAPE, ASSIGNMENT)
    with pytest.raises(ConstraintError) as caught:
        require(findings)
    assert caught.value.exit_code == 8
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["max pooling", "pooling"]
    assert "c2.down.pool, c3.down.pool, c4.down.pool" in lines[1]


FIGURES = {
    "max_params": 112,
    "max_multiply_adds": 30 * 30 * 108,
    "max_ram": 2 * 4 * 3 * 32 * 32,  # the pixels in float32, before and after a step of their normalisation
    "max_flash": 1900 + 6 * 125 + 245 + 108 + 4 * 28,  # the file, its steps, a kernel, its weights and its channels
    "min_receptive_field": 3,
}


@pytest.mark.parametrize("field", FIGURES)
def test_limits_are_inclusive(field: str) -> None:
    figure = FIGURES[field]
    beyond = figure + (1 if field.startswith("min") else -1)
    assert holds(nn.Conv2d(3, 4, 3), **{field: figure})
    assert not holds(nn.Conv2d(3, 4, 3), **{field: beyond})


def test_the_shorter_side_of_the_field_has_to_reach_the_limit() -> None:
    assert holds(nn.Conv2d(3, 4, (5, 3)), min_receptive_field=3)
    assert not any(holds(nn.Conv2d(3, 4, kernel), min_receptive_field=4) for kernel in ((5, 3), (3, 5)))


def test_coverage_may_equal_its_limit() -> None:
    every_other_pixel = nn.Conv2d(3, 4, 1, stride=2)
    assert holds(every_other_pixel, min_coverage=0.25)
    assert not holds(every_other_pixel, min_coverage=0.26)


def test_the_number_of_strided_convolutions_is_exact() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.AvgPool2d(2, 2), nn.ConvTranspose2d(4, 4, 3, 2))
    assert [holds(network, strided_convs=number) for number in range(3)] == [False, True, False]
    assert all(holds(nn.Conv2d(3, 4, 3, stride), strided_convs=1) for stride in ((1, 2), (2, 1)))


def test_the_kernel_of_every_strided_convolution_is_judged_on_both_sides() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Conv2d(4, 4, 3, 2), nn.Conv2d(4, 4, (3, 1), 2))
    assert holds(network[:2], strided_kernel=3) and not holds(network[:2], strided_kernel=5)
    (finding,) = check(network, (3, 32, 32), ConstraintsConfig(strided_kernel=3))
    assert (finding.figure, finding.holds, finding.where) == (1, False, "2")


def test_the_accuracy_may_equal_its_limit_and_is_not_a_matter_of_the_network() -> None:
    declared = ConstraintsConfig(min_accuracy=0.85)
    assert [check_accuracy(share, declared)[0].holds for share in (0.8499, 0.85, 1.0)] == [False, True, True]
    assert check_accuracy(0.1, ConstraintsConfig()) == check(nn.Conv2d(3, 4, 3), (3, 32, 32), declared) == ()


def test_a_convolution_whose_result_is_not_used_does_not_count() -> None:
    unused = Call(lambda self, x: (F.conv2d(x, self.weight, None, 2, 0, 2), x)[1], weight=torch.ones(4, 3, 3, 3))
    assert holds(unused, strided_convs=0)
    assert not holds(unused, requires=("dilated",))


HIDDEN_MAXIMA = {
    "functional": lambda self, x: F.max_pool2d(x, 2),
    "method": lambda self, x: torch.max_pool2d(x, 3, 1, 1),
    "with indices": lambda self, x: F.max_pool2d(x, 2, return_indices=True)[0],
    "global": lambda self, x: x.amax((2, 3)),
    "adaptive": lambda self, x: F.adaptive_max_pool2d(x, 4),
    "flattened": lambda self, x: x.flatten(2).max(2).values,
    "reshaped": lambda self, x: x.view(1, 3, 16, 2, 16, 2).amax((3, 5)),
    "not used": lambda self, x: (F.max_pool2d(x, 2), x)[1],
    "behind a branch on the values": lambda self, x: F.max_pool2d(x, 2) if x.sum() < 1e9 else x,
}


@pytest.mark.parametrize("name", HIDDEN_MAXIMA)
def test_hidden_max_pooling_is_caught(name: str) -> None:
    network = Call(HIDDEN_MAXIMA[name])
    assert not holds(network, forbids=("max_pooling",))
    assert not holds(network, forbids=("pooling",))
    assert holds(Call(lambda self, x: x.relu()), forbids=("max_pooling",))


def test_a_maximum_over_channels_is_no_pooling() -> None:
    assert holds(Call(lambda self, x: x.amax(1, keepdim=True)), forbids=("max_pooling",))


def test_pooling_by_average_is_caught_and_global_average_is_not() -> None:
    assert not holds(Call(lambda self, x: F.avg_pool2d(x, 2)), forbids=("pooling",))
    assert not holds(nn.AdaptiveAvgPool2d(4), forbids=("pooling",))
    for average in GLOBAL_AVERAGES:
        assert all(
            finding.holds for finding in check(average, SHAPE, ConstraintsConfig(forbids=("pooling", "strides")))
        )


GLOBAL_AVERAGES = [
    nn.AdaptiveAvgPool2d(1),
    nn.AvgPool2d(32),
    Call(lambda self, x: x.mean((2, 3))),
    Call(lambda self, x: x.mean([-1, -2], keepdim=True)),
    Call(lambda self, x: F.adaptive_avg_pool2d(x, (1, 1))),
    Call(lambda self, x: x.flatten(2).mean(-1)),
    Call(lambda self, x: x.mean(3).mean(2)),
]


@pytest.mark.parametrize("network", GLOBAL_AVERAGES)
def test_global_average_pooling_in_all_its_forms(network: nn.Module) -> None:
    assert holds(network, requires=("global_average_pooling",))


def test_the_average_of_a_side_branch_is_not_the_global_one() -> None:
    gate = Call(lambda self, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)))
    assert not holds(nn.Sequential(gate, nn.Flatten(), nn.Linear(3072, 10)), requires=("global_average_pooling",))
    assert holds(nn.Sequential(gate, nn.AdaptiveAvgPool2d(1)), requires=("global_average_pooling",))


@pytest.mark.parametrize("network", [nn.Flatten(), nn.AvgPool2d(16), nn.AdaptiveMaxPool2d(1)])
def test_what_is_not_a_global_average(network: nn.Module) -> None:
    assert not holds(network, requires=("global_average_pooling",))


def depthwise_then(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), *layers)


def functional_separable(self: Any, x: Tensor) -> Tensor:
    return F.conv2d(F.conv2d(x, self.depthwise, padding=2, dilation=2, groups=3), self.pointwise)


SEPARABLE = {
    "in sequence": depthwise_then(nn.Conv2d(3, 8, 1)),
    "norm and activation between": depthwise_then(nn.BatchNorm2d(3), nn.ReLU6(), nn.Conv2d(3, 8, 1)),
    "pointwise first": nn.Sequential(nn.Conv2d(3, 8, 1), nn.GELU(), nn.Conv2d(8, 8, 5, groups=8)),
    "raw parameters": Call(functional_separable, depthwise=torch.ones(3, 1, 3, 3), pointwise=torch.ones(8, 3, 1, 1)),
    "a linear layer on the channels": depthwise_then(
        Call(lambda self, x: F.linear(x.permute(0, 2, 3, 1), self.weight), weight=torch.ones(8, 3))
    ),
}


def written_through_a_view(self: Any, x: Tensor) -> Tensor:
    out = torch.zeros(1, 8, 32, 32)
    out[:, :, :] = functional_separable(self, x)
    return out


SEPARABLE["written through a view"] = Call(
    written_through_a_view, depthwise=torch.ones(3, 1, 3, 3), pointwise=torch.ones(8, 3, 1, 1)
)
NOT_SEPARABLE = {
    "dense": nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1)),
    "depthwise of one pixel": nn.Sequential(nn.Conv2d(3, 3, 1, groups=3), nn.Conv2d(3, 8, 1)),
    "pointwise that mixes no channels": depthwise_then(nn.Conv2d(3, 6, 1, groups=3)),
    "no pointwise": depthwise_then(nn.ReLU(), nn.Conv2d(3, 8, 3)),
    "a linear layer over all positions": depthwise_then(nn.Flatten(), nn.Linear(2700, 10)),
    "a pooling between": depthwise_then(nn.AvgPool2d(2), nn.Conv2d(3, 8, 1)),
    "grouped only": nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 1)),
    "not used": Call(
        lambda self, x: (functional_separable(self, x), x)[1],
        depthwise=torch.ones(3, 1, 3, 3),
        pointwise=torch.ones(8, 3, 1, 1),
    ),
}


@pytest.mark.parametrize("name", SEPARABLE)
def test_depthwise_separable(name: str) -> None:
    assert holds(SEPARABLE[name], requires=("depthwise_separable",))


@pytest.mark.parametrize("name", NOT_SEPARABLE)
def test_not_depthwise_separable(name: str) -> None:
    assert not holds(NOT_SEPARABLE[name], requires=("depthwise_separable",))


def test_dilated() -> None:
    assert holds(nn.Conv2d(3, 4, 3, dilation=2), requires=("dilated",))
    assert holds(SEPARABLE["raw parameters"], requires=("dilated",))
    assert not holds(nn.Conv2d(3, 4, 3), requires=("dilated",))
    assert not holds(nn.Conv2d(3, 4, 1, dilation=2), requires=("dilated",))
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 3, padding=2, dilation=2))
    assert not holds(pooled, requires=("dilated",))


@pytest.mark.parametrize(
    "network",
    [
        nn.Conv2d(3, 4, 1, 2),
        nn.MaxPool2d(2),
        Call(lambda self, x: x[:, :, ::2]),
        Call(lambda self, x: x[..., ::2]),
        Call(lambda self, x: F.conv2d(x, self.weight, stride=(1, 2)), weight=torch.ones(4, 3, 1, 1)),
    ],
)
def test_strides_are_caught(network: nn.Module) -> None:
    assert not holds(network, forbids=("strides",))


def test_without_strides() -> None:
    assert holds(create("c1c2c3c40_dilated"), forbids=("strides",))


def test_every_other_channel_is_no_stride() -> None:
    assert holds(Call(lambda self, x: x[:, ::2]), forbids=("strides",))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"max_params": -1}, "max_params is -1; the smallest valid value is 0"),
        ({"min_receptive_field": 4.5}, "min_receptive_field is 4.5, a float; it takes"),
        ({"strided_convs": True}, "strided_convs is True, a bool; it takes"),
        ({"min_coverage": 25.0}, "min_coverage is 25.0; the largest valid value is 1.0"),
        ({"requires": ("dilation",)}, "requires 'dilation', did you mean 'dilated'. Valid: depthwise_separable"),
        ({"forbids": ("stride",)}, "forbids 'stride', did you mean 'strides'"),
    ],
)
def test_wrong_constraints(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(EmberfieldError, match=message):
        ConstraintsConfig(**declared)


def test_nothing_declared_finds_nothing() -> None:
    assert check(nn.Conv2d(3, 4, 3), SHAPE, ConstraintsConfig()) == ()
    require(())


def test_the_gate_is_quick() -> None:
    network = create("c1c2c3c40_reference")
    everything = ConstraintsConfig(min_coverage=0.2, strided_convs=3, max_multiply_adds=10**9, min_receptive_field=1)
    check(network, SHAPE, everything)  # what torch imports at its first trace is not the gate's
    began = time.process_time()
    require(check(network, SHAPE, everything))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("size", "bytes_"), [("65536", 65536), (65536, 65536), ("64KiB", 65536), ("64kB", 64000)])
def test_sizes_have_units(size: int | str, bytes_: int) -> None:
    (finding,) = check(nn.Conv2d(3, 4, 3), SHAPE, ConstraintsConfig(max_ram=size))
    assert finding.limit == f"at most {bytes_:,} bytes" and finding.margin == bytes_ - 24576


@pytest.mark.parametrize("size", ["64 KiB", "64kib", "64K", "6.5KiB", "-1", "", "KiB"])
def test_another_size_is_refused_with_the_valid_forms(size: str) -> None:
    with pytest.raises(EmberfieldError, match=r"it takes bytes, as in 65536, or 64KiB, 64kB, 1MiB, 1MB"):
        ConstraintsConfig(max_flash=size)


def test_memory_names_the_layer_in_which_most_is_in_use() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 32, 3, padding=1), nn.AdaptiveAvgPool2d(1))
    (finding,) = check(network, SHAPE, ConstraintsConfig(max_ram="32KiB"))
    assert (finding.figure, finding.holds, finding.margin) == (40960, False, -8192)
    assert finding.where.startswith("1 (CONV_2D); ")


@pytest.mark.parametrize("declared", [{"max_ram": "1MiB"}, {"max_flash": "1MiB"}])
def test_what_is_not_known_does_not_hold(declared: dict[str, str]) -> None:
    (finding,) = check(Call(lambda self, x: torch.special.i0(x)), SHAPE, ConstraintsConfig(**declared))
    assert (finding.shown, finding.holds) == ("not known", False) and "i0" in finding.where
    with pytest.raises(ConstraintError, match="not known, has to be at most 1,048,576 bytes"):
        require((finding,))


def test_memory_is_not_known_where_the_runtime_plans_it() -> None:
    (finding,) = check(nn.Conv2d(3, 4, 3), SHAPE, ConstraintsConfig(max_ram="1MiB", target="executorch"))
    assert (finding.figure, finding.holds) == (None, False)
