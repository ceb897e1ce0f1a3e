import copy
import os
import subprocess
import time
from collections.abc import Collection

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from architectures import create
from framework.ops import PLAIN_OPS, OperatorOverrides
from tests.framework.ops.gradients import (
    CPU,
    assert_all_close,
    bfloat16_instructions,
    convolutions,
    drawn,
    error,
    executed,
    in_channels_last,
    skip_without_the_bug,
    still_needed,
    targets_of_compiled,
    weight_gradients,
    with_gradients,
    without_amx,
)
from tests.warm_python import warm_python

GEOMETRIES = [
    (nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8), True),
    (nn.Conv2d(8, 8, 5, padding="same", dilation=3, groups=8), False),
    (nn.Conv2d(8, 8, 5, padding=8, dilation=4, groups=8), True),
    (nn.Conv2d(8, 8, 7, padding=3, groups=8), True),
    (nn.Conv2d(8, 8, 7, padding=2, groups=8), False),
    (nn.Conv2d(8, 8, 4, padding=3, dilation=2, groups=8), False),
    (nn.Conv2d(8, 8, 3, padding=1, groups=8), False),
    (nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), False),  # slow in bfloat16 alone
    (nn.Conv2d(8, 8, 3, padding=1, dilation=2, groups=8), False),
    (nn.Conv2d(8, 8, (3, 5), padding=2, dilation=2, groups=8), False),
    (nn.Conv2d(8, 8, 3, padding=2, dilation=(2, 1), groups=8), False),
    (nn.Conv2d(8, 16, 3, padding=2, dilation=2, groups=8), False),
    (nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4), False),
    (nn.Conv2d(8, 8, 3, padding=2, dilation=2), False),
    (nn.Conv2d(8, 8, 1, stride=2), False),  # crashes in float32 alone
]
"""Layers, and whether they are computed another way in float64, with gradients."""


@pytest.mark.parametrize(("layer", "otherwise"), GEOMETRIES)
def test_a_layer_computes_the_same_in_the_context(layer: nn.Conv2d, otherwise: bool) -> None:
    layer, images = layer.double(), drawn(2, 8, 9, 9)
    found = []
    for plain in ((), PLAIN_OPS):
        layer.zero_grad()
        given = images.clone().requires_grad_()
        with OperatorOverrides(plain):
            output = layer(given)
        (output * drawn(*output.shape, seed=3)).sum().backward()
        found.append([output.detach(), given.grad, *(p.grad.clone() for p in layer.parameters() if p.grad is not None)])
    assert_all_close(*found, rtol=1e-10, atol=1e-10)
    weights = list(layer.parameters())
    ours = executed(lambda: layer(images), weights, OperatorOverrides())
    assert (ours != executed(lambda: layer(images), weights)) == otherwise


@pytest.mark.parametrize(("kernel", "dilation", "split"), [(7, 3, True), (7, 2, False), (7, 1, False), (3, 8, False)])
def test_without_gradients_only_large_dilated_kernels_are_split(kernel: int, dilation: int, split: bool) -> None:
    layer = nn.Conv2d(8, 8, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=8).double()
    images = drawn(2, 8, 20, 20)
    with torch.no_grad():
        ((_, found),) = convolutions(executed(lambda: layer(images), (), OperatorOverrides()))
        assert found == str([1 if split else dilation] * 2)
        with OperatorOverrides():
            output = layer(images)
        torch.testing.assert_close(output, layer(images), rtol=1e-10, atol=1e-10)


def test_mixed_precision_changes_strided_ones_too() -> None:
    layer = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False)
    images = drawn(2, 8, 9, 9, dtype=torch.float32).requires_grad_()

    def output() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            found: Tensor = layer(images)
        assert found.dtype == torch.bfloat16
        return found

    kinds = [kind for kind, _ in convolutions(executed(output, (images, layer.weight), OperatorOverrides()))]
    assert kinds == ["torch.bfloat16", "torch.float32", "torch.bfloat16"]  # forward, by the images, by the kernels
    with torch.no_grad(), OperatorOverrides():
        without = output()
    assert torch.equal(without, output())


@bfloat16_instructions
@still_needed("conv2d_speed")
def test_pytorch_alone_is_as_fast_at_dilated_depthwise_convolutions() -> None:
    layer = nn.Conv2d(32, 32, 3, padding=2, dilation=2, groups=32).bfloat16()
    images = drawn(16, 32, 32, 32, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    seconds = {}
    for plain in ((), PLAIN_OPS):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            with OperatorOverrides(plain):
                output = layer(images)
            output.float().sum().backward()
            times.append(time.perf_counter() - began)
        seconds[plain] = min(times)
    assert seconds[PLAIN_OPS] < 2 * seconds[()]


@pytest.mark.parametrize(
    ("kernel", "side", "left"),
    [(3, 8, 0), (5, 64, 0), (7, 32, 0), (7, 33, 1)],  # a stencil, twice; a GEMM; and too many pixels for one
)
def test_what_is_compiled_for_a_gpu_is_no_depthwise_convolution(kernel: int, side: int, left: int) -> None:
    with FakeTensorMode():  # shapes without data, of a device that need not be there
        images = torch.empty(2, 4, side, side, device="cuda")
        depthwise = nn.Conv2d(4, 4, kernel, padding=kernel - 1, dilation=2, groups=4, device="cuda")
        dense = nn.Conv2d(4, 4, 3, padding=1, device="cuda")
        with OperatorOverrides():
            assert targets_of_compiled(depthwise, images).count(torch.conv2d) == left
            assert targets_of_compiled(dense, images).count(torch.conv2d) == 1
        with OperatorOverrides(["conv2d_speed"]):
            assert targets_of_compiled(depthwise, images).count(torch.conv2d) == 1


@pytest.mark.parametrize(("kernel", "groups", "left"), [(1, 1, 0), (3, 4, 0), (3, 1, 1), (1, 2, 1)])
def test_in_cnhw_what_is_compiled_for_a_gpu_are_gemms(kernel: int, groups: int, left: int) -> None:
    with FakeTensorMode():
        images = torch.empty(4, 2, 8, 8, device="cuda").transpose(0, 1)
        layer = nn.Conv2d(4, 4, kernel, padding=kernel // 2, groups=groups, device="cuda")
        with OperatorOverrides():
            given = targets_of_compiled(layer, images)
            pointwise = targets_of_compiled(nn.Conv2d(4, 4, 1, device="cuda"), images.contiguous())
    assert given.count(torch.conv2d) == left and given.count(torch.bmm) == (groups == 4)
    assert pointwise.count(torch.conv2d) == 1  # the control: in NCHW it stays a convolution


DILATED = [
    nn.Conv2d(56, 24, 3, padding=2, dilation=2, bias=False),
    nn.Conv2d(24, 24, 3, padding="same", dilation=(4, 4)),
    nn.Conv2d(56, 56, 5, padding=4, dilation=2),
    nn.Conv2d(112, 112, 3, padding=2, dilation=2, groups=2),
    nn.Conv2d(40, 24, 3, padding=8, dilation=8),
]


@bfloat16_instructions
@without_amx
@still_needed("conv2d_bfloat16_gradient")
@pytest.mark.parametrize("layer", DILATED)
def test_pytorch_alone_has_the_gradient_of_a_dilated_convolution(layer: nn.Conv2d) -> None:
    layer, images = in_channels_last(layer)
    exact = weight_gradients(layer, images, "float32")
    assert error(weight_gradients(layer, images, "bfloat16", PLAIN_OPS), exact) < 0.01


@pytest.mark.parametrize("layer", DILATED)
def test_bfloat16_has_the_gradient_of_a_dilated_convolution(layer: nn.Conv2d) -> None:
    layer, images = in_channels_last(layer)
    exact = weight_gradients(layer, images, "float32")
    skip_without_the_bug(error(weight_gradients(layer, images, "bfloat16", PLAIN_OPS), exact), 0.01)
    assert error(weight_gradients(layer, images, "bfloat16"), exact) < 0.01


def test_its_output_keeps_type_and_memory_format_and_one_image_will_do() -> None:
    layer, images = in_channels_last(nn.Conv2d(24, 24, 3, padding=2, dilation=2))
    with torch.autocast(CPU.type, torch.bfloat16), OperatorOverrides():
        output = layer(images)
        assert output.is_contiguous(memory_format=torch.channels_last) and output.dtype == torch.bfloat16
        assert layer(images.contiguous()[0]).shape == output[0].shape


def test_a_network_of_dilated_convolutions_has_the_gradient_of_its_blocks() -> None:
    """C2 of c1c2c3c40_dilated: 24 feature maps of 32x32, whose dense convolutions have a dilation."""
    torch.manual_seed(0)
    layer, images = in_channels_last(create("c1c2c3c40_dilated").c2)
    exact = weight_gradients(layer, images, "float32")

    def within(plain: tuple[str, ...]) -> bool:
        found = weight_gradients(layer, images, "bfloat16", plain)
        return all((ours - true).norm() < 0.2 * true.norm() + 1e-3 for ours, true in zip(found, exact, strict=True))

    if within(PLAIN_OPS):
        pytest.skip("PyTorch's own gradient is right here, so nothing is shown")
    assert within(())


STRIDED = """
import torch
from framework.ops import OperatorOverrides
torch.manual_seed(0)
images = torch.randn(32, 6, 96, 96).contiguous(memory_format=torch.channels_last)
layer = torch.nn.Conv2d(6, 8, 1, 2, bias=False)
exact = torch.nn.grad.conv2d_weight(images.double(), layer.weight.shape, torch.ones(32, 8, 48, 48).double(), 2)
for _ in range(4):
    layer.zero_grad()
    with OperatorOverrides({plain}):
        output = layer(images)
    output.backward(torch.ones_like(output))
    torch.testing.assert_close(layer.weight.grad.double(), exact, rtol=1e-3, atol=1e-1)
"""


def strided_gradient(plain: Collection[str]) -> int:
    """The exit code of a process that computes the gradient of a strided pointwise convolution and checks it."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    call = [warm_python(), "-c", STRIDED.format(plain=list(plain))]
    return subprocess.run(call, env=environment, stderr=subprocess.DEVNULL, timeout=60).returncode


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="other instructions")
@still_needed("conv2d_strided_pointwise")
def test_pytorch_alone_has_the_gradient_of_a_strided_pointwise_convolution() -> None:
    assert strided_gradient(PLAIN_OPS) == 0


def test_the_gradient_of_a_strided_pointwise_convolution_is_right_and_ends_no_process() -> None:
    assert strided_gradient(()) == 0


@pytest.mark.parametrize(
    ("layer", "otherwise"),
    [
        (nn.Conv2d(8, 16, 1, stride=2), True),
        (nn.Conv2d(8, 16, 1, stride=(1, 3)), True),
        (nn.Conv2d(8, 16, 1, stride=2, padding="valid"), True),
        (nn.Conv2d(16, 16, 1, stride=2), False),
        (nn.Conv2d(8, 16, 1), False),
        (nn.Conv2d(8, 16, 3, stride=2), False),
        (nn.Conv2d(8, 16, 1, stride=2, padding=1), False),
        (nn.Conv2d(8, 16, 1, stride=2, groups=2), False),
    ],
)
def test_a_pointwise_convolution_of_few_channels_takes_its_pixels_first(layer: nn.Conv2d, otherwise: bool) -> None:
    images = drawn(2, layer.in_channels, 9, 7, dtype=torch.float32).contiguous(memory_format=torch.channels_last)
    with OperatorOverrides():
        found = with_gradients(layer(images.requires_grad_()), images, *layer.parameters())
    exact, given = copy.deepcopy(layer).double(), images.detach().double().requires_grad_()
    expected = with_gradients(exact(given), given, *exact.parameters())
    assert_all_close([each.double() for each in found], expected, rtol=1e-4, atol=1e-4)
    ours = executed(lambda: layer(images), (images,), OperatorOverrides())
    assert (ours != executed(lambda: layer(images), (images,))) == otherwise
    with torch.no_grad():
        assert executed(lambda: layer(images), (), OperatorOverrides()) == executed(lambda: layer(images), ())
