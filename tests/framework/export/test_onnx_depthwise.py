"""Depthwise convolutions with added channels compute the same, and large ones stay in float32 in an int8 file."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from framework.export.formats import FORMATS
from framework.export.onnx_depthwise import MULTIPLE, pad_channels
from framework.export.traced import FREE
from tests.framework.export.test_formats import images, metadata

aten = torch.ops.aten


def padded(layer: nn.Module, number: int) -> list[tuple[Any, ...]]:
    """The operators and arguments of a traced layer with added channels, which has to compute what it does."""
    layer = layer.double().eval()
    x = torch.randn(2, number, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(layer, (x,), dynamic_shapes=FREE)
    pad_channels(program)
    for batch in (x, x.repeat(3, 1, 1, 1)):
        torch.testing.assert_close(program.module()(batch), layer(batch), rtol=1e-12, atol=1e-12)
    return [(node.target, *node.args) for node in program.graph.nodes if node.op == "call_function"]


def channels_of(layer: nn.Module, number: int) -> list[int]:
    """The channels of its convolutions."""
    return [args[0].meta["val"].shape[1] for target, *args in padded(layer, number) if target is aten.conv2d.default]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("number", [2, 5, 6, 7, 42])
def test_a_depthwise_convolution_gets_a_multiple_of_four_channels(number: int, bias: bool) -> None:
    layer = nn.Conv2d(number, number, 7, 2, 9, 3, groups=number, bias=bias)
    assert channels_of(layer, number) == [-(-number // MULTIPLE) * MULTIPLE]


@pytest.mark.parametrize(
    ("layer", "number"),
    [
        (nn.Conv2d(8, 8, 3, groups=8), 8),
        (nn.Conv2d(6, 6, 3), 6),
        (nn.Conv2d(1, 1, 3), 1),
        (nn.Conv2d(6, 6, 3, groups=3), 6),
        (nn.Conv2d(6, 12, 3, groups=6), 6),
    ],
)
def test_other_convolutions_keep_theirs(layer: nn.Module, number: int) -> None:
    assert channels_of(layer, number) == [number]


class Cut(nn.Module):
    """A depthwise convolution of the first six of eight channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, groups=6)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(x[:, :6])
        return output


@pytest.mark.parametrize(
    ("layer", "number", "pads"),
    [
        (nn.Sequential(nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 6, 3, groups=6)), 6, 1),
        (nn.Sequential(nn.Conv2d(6, 6, 3, groups=6), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6)), 6, 2),
        (Cut(), 8, 0),
        (Cut(), 16, 1),
    ],
)
def test_channels_stay_where_there_are_as_many(layer: nn.Module, number: int, pads: int) -> None:
    called = padded(layer, number)
    images = [args for target, *args in called if target is aten.constant_pad_nd.default and len(args[1]) == 6]
    assert len(images) == pads


def depthwise(kernel: int) -> nn.Module:
    """A network with one depthwise kernel of this size between two dense layers."""
    torch.manual_seed(0)
    middle = nn.Conv2d(6, 6, kernel, padding=kernel // 2, groups=6)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), middle, nn.SiLU(), *head).eval()


@pytest.mark.parametrize(("kernel", "in_float"), [(3, 0), (5, 0), (7, 1), (9, 1)])
def test_a_large_depthwise_kernel_stays_in_float32_and_dense_layers_do_not(kernel: int, in_float: int) -> None:
    """In int8, as ONNX Runtime computes it, a 7x7 one takes several times as long as in float32."""
    network = depthwise(kernel)
    content = FORMATS["onnx"].write_int8(network, metadata(), images(16))  # type: ignore[misc]
    stored = [onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(content).graph.initializer]
    kernels = [each for each in stored if each.ndim == 4]
    assert sum(each.dtype == np.float32 for each in kernels) == in_float
    assert sum(each.dtype == np.int8 for each in kernels) == 2 - in_float
    assert [each.dtype for each in stored if each.shape in ((10, 6), (6, 10))] == [np.int8]
    pixels = torch.from_numpy(images(4))
    whole = FORMATS["onnx"].read(FORMATS["onnx"].write(network, metadata()))
    expected = whole((pixels.permute(0, 3, 1, 2) / 255).contiguous())
    torch.testing.assert_close(FORMATS["onnx"].read(content)(pixels), expected, rtol=0, atol=0.05)


def test_a_large_kernel_of_one_input_channel_is_dense() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 6, 7), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)
    ).eval()
    content = FORMATS["onnx"].write_int8(network, metadata(in_channels=1), images(16)[..., :1])  # type: ignore[misc]
    stored = [onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(content).graph.initializer]
    assert [each.dtype for each in stored if each.shape == (6, 1, 7, 7)] == [np.int8]
