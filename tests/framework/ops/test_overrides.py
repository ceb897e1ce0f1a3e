"""Each override's off switch leaves it to PyTorch, and it alone."""

import dataclasses
import functools
import shutil

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.convnext import LayerNorm2d

from framework.config import MachineConfig
from framework.ops import PLAIN_OPS, OperatorOverrides
from tests.framework.ops.gradients import (
    drawn,
    error,
    executed,
    in_channels_last,
    skip_without_the_bug,
    weight_gradients,
    with_gradients,
)


def dilated(images: Tensor, weight: Tensor) -> Tensor:
    return torch.conv2d(images, weight, None, 1, 2, 2)


def depthwise(images: Tensor, weight: Tensor) -> Tensor:
    return torch.conv2d(images, weight, None, 1, 3, 1, 24)


def strided(images: Tensor, weight: Tensor) -> Tensor:
    return torch.conv2d(images[:, :8].float(), weight.float(), None, 2)


def normalized(images: Tensor, weight: Tensor) -> Tensor:
    return F.layer_norm(images, (10,), weight)


CASES = {
    "conv2d_bfloat16_gradient": (dilated, (24, 24, 3, 3)),
    "conv2d_speed": (depthwise, (24, 1, 7, 7)),
    "conv2d_strided_pointwise": (strided, (8, 8, 1, 1)),
    "layer_norm": (normalized, (10,)),
}
"""For each switch an operation on bfloat16 images (2, 24, 10, 10) that it is for, and the shape of its weight."""


def inputs(name: str) -> tuple[Tensor, Tensor]:
    images, weight = drawn(2, 24, 10, 10, dtype=torch.bfloat16), drawn(*CASES[name][1], dtype=torch.bfloat16, seed=1)
    return images.contiguous(memory_format=torch.channels_last).requires_grad_(), weight.requires_grad_()


@pytest.mark.parametrize("name", PLAIN_OPS)
def test_a_switch_leaves_its_operator_to_pytorch(name: str) -> None:
    operation, given = CASES[name][0], inputs(name)
    without = executed(lambda: operation(*given), given)
    assert executed(lambda: operation(*given), given, OperatorOverrides()) != without
    assert executed(lambda: operation(*given), given, OperatorOverrides([name])) == without
    with OperatorOverrides([name]):
        found = with_gradients(operation(*given), *given)
    for ours, theirs in zip(found, with_gradients(operation(*given), *given), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", PLAIN_OPS)
def test_the_other_switches_leave_it_on(name: str) -> None:
    operation, given = CASES[name][0], inputs(name)
    others = [other for other in PLAIN_OPS if other != name]
    on = executed(lambda: operation(*given), given, OperatorOverrides())
    assert executed(lambda: operation(*given), given, OperatorOverrides(others)) == on


def test_outside_of_the_context_nothing_is_changed() -> None:
    for name, (operation, _) in CASES.items():
        given = inputs(name)
        before = executed(functools.partial(operation, *given), given)
        with OperatorOverrides():
            operation(*given)
        assert executed(functools.partial(operation, *given), given) == before


def test_the_switches_are_those_of_the_setting() -> None:
    (field,) = (field for field in dataclasses.fields(MachineConfig) if field.name == "plain_ops")
    assert field.metadata["choices"] == PLAIN_OPS == tuple(CASES)
    with pytest.raises(AssertionError):
        OperatorOverrides(["conv3d"])


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_what_is_compiled_has_the_gradient_of_convolution_and_norm() -> None:
    """One compilation for both: each takes seconds."""
    network = nn.Sequential(nn.Conv2d(56, 24, 3, padding=2, dilation=2, bias=False), LayerNorm2d(24))
    _, images = in_channels_last(network[0])
    images = images.repeat(8, 1, 1, 1)
    exact = weight_gradients(network, images, "float32")
    plain = weight_gradients(network, images, "bfloat16", PLAIN_OPS)
    skip_without_the_bug(min(error(plain[:1], exact[:1]), error(plain[1:], exact[1:])), 0.02)
    torch._dynamo.reset()
    assert error(weight_gradients(torch.compile(network), images, "bfloat16"), exact) < 0.02
