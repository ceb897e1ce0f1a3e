import shutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import framework.ops.conv2d
from architectures import create
from framework.engine.precision import arithmetic
from framework.ops.overrides import OperatorOverrides
from tests.framework.ops.test_depthwise import drawn

CPU = torch.device("cpu")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the calls of the fast way."""
    calls: list[int] = []
    plain = framework.ops.conv2d.depthwise_conv2d

    def counting(*given: object) -> Tensor:
        calls.append(1)
        return plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(framework.ops.conv2d, "depthwise_conv2d", counting)
    return calls


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
]


@pytest.mark.parametrize(("layer", "fast"), GEOMETRIES)
def test_a_layer_computes_the_same_in_the_context(layer: nn.Conv2d, fast: bool, counted: list[int]) -> None:
    layer, images = layer.double(), drawn(2, 8, 9, 9)
    found = []
    for inside in (True, False):
        layer.zero_grad()
        given = images.clone().requires_grad_()
        if inside:
            with OperatorOverrides():
                output = layer(given)
        else:
            output = layer(given)
        (output * drawn(*output.shape, seed=3)).sum().backward()
        found.append([output.detach(), given.grad, *(p.grad.clone() for p in layer.parameters() if p.grad is not None)])
    assert len(counted) == fast
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("kernel", "dilation", "fast"), [(7, 3, True), (7, 2, False), (7, 1, False), (3, 8, False)])
def test_without_gradients_it_is_for_what_looks_far(kernel: int, dilation: int, fast: bool, counted: list[int]) -> None:
    layer = nn.Conv2d(8, 8, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=8).double()
    images = drawn(2, 8, 20, 20)
    with torch.no_grad(), OperatorOverrides():
        found = layer(images)
    assert len(counted) == fast
    torch.testing.assert_close(found, layer(images).detach(), rtol=1e-10, atol=1e-10)


def test_mixed_precision_takes_it_for_strides_too(counted: list[int]) -> None:
    layer = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False)
    images = drawn(2, 8, 9, 9, dtype=torch.float32)
    with arithmetic(CPU, "bfloat16"):
        output = layer(images)
    assert output.dtype == torch.bfloat16 and len(counted) == 1
    output.float().sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32
    with arithmetic(CPU, "bfloat16"), torch.no_grad():
        assert torch.equal(layer(images), output)
    assert len(counted) == 1  # nothing to differentiate


def test_outside_the_context_nothing_is_changed(counted: list[int]) -> None:
    layer = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
    with OperatorOverrides():
        layer(torch.zeros(1, 8, 6, 6))
    layer(torch.zeros(1, 8, 6, 6))
    assert len(counted) == 1


def targets_of_compiled(layer: nn.Module, images: Tensor) -> list[object]:
    """The functions that a compiler is given of a layer."""
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()  # the layers of one class share a limit of compilations
    torch.compile(layer, backend=keep)(images)
    assert len(graphs) == 1
    return [node.target for node in graphs[0].graph.nodes]


@pytest.mark.parametrize(
    ("kernel", "side", "left"),
    [(3, 8, 0), (5, 64, 0), (7, 32, 0), (7, 33, 1)],  # a stencil, twice; a matrix; and too many pixels for one
)
def test_what_is_compiled_for_a_gpu_is_no_depthwise_convolution(kernel: int, side: int, left: int) -> None:
    with FakeTensorMode():  # shapes without data, of a device that need not be there
        images = torch.empty(2, 4, side, side, device="cuda")
        depthwise = nn.Conv2d(4, 4, kernel, padding=kernel - 1, dilation=2, groups=4, device="cuda")
        dense = nn.Conv2d(4, 4, 3, padding=1, device="cuda")
        with OperatorOverrides():
            assert targets_of_compiled(depthwise, images).count(torch.conv2d) == left
            assert targets_of_compiled(dense, images).count(torch.conv2d) == 1
        assert targets_of_compiled(depthwise, images).count(torch.conv2d) == 1


@pytest.mark.parametrize(("kernel", "groups", "left"), [(1, 1, 0), (3, 4, 0), (3, 1, 1), (1, 2, 1)])
def test_where_maps_come_first_what_is_compiled_for_a_gpu_are_products(kernel: int, groups: int, left: int) -> None:
    with FakeTensorMode():
        images = torch.empty(4, 2, 8, 8, device="cuda").transpose(0, 1)
        layer = nn.Conv2d(4, 4, kernel, padding=kernel // 2, groups=groups, device="cuda")
        with OperatorOverrides():
            given = targets_of_compiled(layer, images)
            pointwise = targets_of_compiled(nn.Conv2d(4, 4, 1, device="cuda"), images.contiguous())
    assert given.count(torch.conv2d) == left and given.count(torch.bmm) == (groups == 4)
    assert pointwise.count(torch.conv2d) == 1  # the control: images come first there


def in_channels_last(layer: nn.Module) -> tuple[nn.Module, Tensor]:
    """The layer, and a few images of 32 pixels for it."""
    channels = next(layer.parameters()).shape[1] * getattr(layer, "groups", 1)
    images = drawn(2, channels, 32, 32, dtype=torch.float32)
    return layer.to(memory_format=torch.channels_last), images.contiguous(memory_format=torch.channels_last)


def weights_gradients(layer: nn.Module, images: Tensor, precision: str, compiled: bool = False) -> list[Tensor]:
    """Of the product of its output with something, by its weights."""
    layer.zero_grad()
    with arithmetic(CPU, precision):
        output = (torch.compile(layer) if compiled else layer)(images)
    (output.float() * drawn(*output.shape, dtype=torch.float32, seed=3)).sum().backward()
    return [parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(56, 24, 3, padding=2, dilation=2, bias=False),
        nn.Conv2d(24, 24, 3, padding="same", dilation=(4, 4)),
        nn.Conv2d(56, 56, 5, padding=4, dilation=2),
        nn.Conv2d(112, 112, 3, padding=2, dilation=2, groups=2),
        nn.Conv2d(40, 24, 3, padding=8, dilation=8),
    ],
)
def test_bfloat16_has_the_gradient_of_a_dilated_convolution(layer: nn.Conv2d) -> None:
    """torch alone has nonsense or NaN for each of these on a CPU with avx512_bf16."""
    layer, images = in_channels_last(layer)
    exact = weights_gradients(layer, images, "float32")
    for mine, true in zip(weights_gradients(layer, images, "bfloat16"), exact, strict=True):
        assert (mine - true).norm() < 0.01 * true.norm()
    with arithmetic(CPU, "bfloat16"):
        assert layer(images).is_contiguous(memory_format=torch.channels_last)
        assert layer(images.contiguous()[0]).shape == layer(images)[0].shape


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_so_it_has_in_what_is_compiled() -> None:
    layer, images = in_channels_last(nn.Conv2d(56, 24, 3, padding=2, dilation=2, bias=False))
    (exact,) = weights_gradients(layer, images, "float32")
    (mine,) = weights_gradients(layer, images, "bfloat16", compiled=True)
    assert (mine - exact).norm() < 0.01 * exact.norm()


def test_a_network_of_dilated_convolutions_has_the_gradient_of_its_blocks() -> None:
    """C2 of c1c2c3c40_dilated: 24 maps of 32x32, whose dense convolutions have a dilation."""
    torch.manual_seed(0)
    layer, images = in_channels_last(create("c1c2c3c40_dilated").c2)
    exact = weights_gradients(layer, images, "float32")
    for mine, true in zip(weights_gradients(layer, images, "bfloat16"), exact, strict=True):
        assert (mine - true).norm() < 0.2 * true.norm() + 1e-3
