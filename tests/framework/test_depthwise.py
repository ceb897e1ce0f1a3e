from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import framework.depthwise
from framework.depthwise import FastDepthwise, depthwise_conv2d, lattices
from framework.precision import arithmetic

CPU = torch.device("cpu")


def drawn(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def gradients(function: Callable[[Tensor, Tensor], Tensor], images: Tensor, kernels: Tensor) -> list[Tensor]:
    """The output, and the gradients of its product with something by images and kernels."""
    images, kernels = (t.clone().requires_grad_() for t in (images, kernels))
    output = function(images, kernels)
    given = drawn(*output.shape, dtype=output.dtype, seed=2)
    return [output.detach(), *torch.autograd.grad(output, (images, kernels), given)]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the calls of the fast way."""
    calls: list[int] = []
    plain = framework.depthwise.depthwise_conv2d

    def counting(*given: object) -> Tensor:
        calls.append(1)
        return plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(framework.depthwise, "depthwise_conv2d", counting)
    return calls


@pytest.mark.parametrize("side", [(12, 12), (7, 10), (1, 5)])
@pytest.mark.parametrize("dilation", [1, 2, 3, 5, 16])
def test_lattices_are_the_strided_slices(side: tuple[int, int], dilation: int) -> None:
    images = drawn(2, 3, *side)
    found = lattices(images, dilation)
    for number in range(2):
        for row in range(dilation):
            for column in range(dilation):
                lattice = found[(number * dilation + row) * dilation + column]
                slice_ = images[number, :, row::dilation, column::dilation]
                assert torch.equal(lattice[:, : slice_.shape[1], : slice_.shape[2]], slice_)
                assert lattice.sum() == pytest.approx(float(slice_.sum()))


@pytest.mark.parametrize("side", [(12, 12), (7, 10), (3, 3)])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3), (1, 8)])
def test_gradients_are_those_of_conv2d(side: tuple[int, int], kernel: int, stride: int, dilation: int) -> None:
    images, kernels = drawn(2, 4, *side), drawn(4, 1, kernel, kernel, seed=1)
    padding = dilation * (kernel // 2)
    ours = gradients(lambda x, w: depthwise_conv2d(x, w, stride, padding, dilation), images, kernels)
    torchs = gradients(lambda x, w: F.conv2d(x, w, None, stride, padding, dilation, 4), images, kernels)
    for mine, theirs in zip(ours, torchs, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_bfloat16_comes_as_near_to_the_exact_gradients_as_torch_does() -> None:
    images, kernels = drawn(8, 16, 16, 16), drawn(16, 1, 3, 3, seed=1)
    for stride, dilation in [(1, 2), (2, 1)]:

        def fast(x: Tensor, w: Tensor, stride: int = stride, dilation: int = dilation) -> Tensor:
            return depthwise_conv2d(x, w, stride, dilation, dilation)

        def plain(x: Tensor, w: Tensor, stride: int = stride, dilation: int = dilation) -> Tensor:
            return F.conv2d(x, w, None, stride, dilation, dilation, 16)

        exact = gradients(plain, images, kernels)
        ours, theirs = (gradients(f, images.bfloat16(), kernels.bfloat16()) for f in (fast, plain))
        for true, mine, other in zip(exact, ours, theirs, strict=True):
            assert mine.dtype == torch.bfloat16
            assert (mine - true).norm() < 1.1 * (other - true).norm() + 1e-3 * true.norm()
            assert (mine - true).norm() < 0.01 * true.norm()


def test_only_what_is_wanted_is_computed() -> None:
    images, kernels = drawn(1, 2, 5, 5), drawn(2, 1, 3, 3).requires_grad_()
    depthwise_conv2d(images, kernels, 1, 2, 2).sum().backward()
    assert images.grad is None and kernels.grad is not None
    with pytest.raises(AssertionError):
        depthwise_conv2d(images, kernels, 2, 2, 2)


GEOMETRIES = [
    (nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8), True),
    (nn.Conv2d(8, 8, 5, padding="same", dilation=3, groups=8), False),
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
            with FastDepthwise():
                output = layer(given)
        else:
            output = layer(given)
        (output * drawn(*output.shape, seed=3)).sum().backward()
        found.append([output.detach(), given.grad, *(p.grad.clone() for p in layer.parameters() if p.grad is not None)])
    assert len(counted) == fast
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


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
    with FastDepthwise():
        layer(torch.zeros(1, 8, 6, 6))
    layer(torch.zeros(1, 8, 6, 6))
    assert len(counted) == 1


def conv2ds_of_compiled(layer: nn.Conv2d, images: Tensor) -> int:
    """How many convolutions a compiler is given of a layer."""
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    torch.compile(layer, backend=keep)(images)
    assert len(graphs) == 1
    return sum(node.target is torch.conv2d for node in graphs[0].graph.nodes)


def test_what_is_compiled_for_a_gpu_is_a_stencil() -> None:
    with FakeTensorMode():  # shapes without data, of a device that need not be there
        images = torch.empty(2, 4, 8, 8, device="cuda")
        depthwise = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4, device="cuda")
        dense = nn.Conv2d(4, 4, 3, padding=1, device="cuda")
        with FastDepthwise():
            assert conv2ds_of_compiled(depthwise, images) == 0
            assert conv2ds_of_compiled(dense, images) == 1
        assert conv2ds_of_compiled(depthwise, images) == 1
