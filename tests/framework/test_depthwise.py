from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framework.depthwise import depthwise_conv2d, joined, lattices


def drawn(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def gradients(function: Callable[[Tensor, Tensor], Tensor], images: Tensor, kernels: Tensor) -> list[Tensor]:
    """The output, and the gradients of its product with something by images and kernels."""
    images, kernels = (t.clone().requires_grad_() for t in (images, kernels))
    output = function(images, kernels)
    given = drawn(*output.shape, dtype=output.dtype, seed=2)
    return [output.detach(), *torch.autograd.grad(output, (images, kernels), given)]


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
    assert torch.equal(joined(found, dilation, *side), images)


@pytest.mark.parametrize("side", [(12, 12), (7, 10), (3, 3)])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3), (1, 8)])
def test_gradients_are_those_of_conv2d(side: tuple[int, int], kernel: int, stride: int, dilation: int) -> None:
    images, kernels = drawn(2, 4, *side), drawn(4, 1, kernel, kernel, seed=1)
    padding = dilation * (kernel // 2)
    ours = gradients(lambda x, w: depthwise_conv2d(x, w, stride, padding, dilation), images, kernels)
    torchs = gradients(lambda x, w: F.conv2d(x, w, None, stride, padding, dilation, 4), images, kernels)
    for mine, theirs in zip(ours, torchs, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_bfloat16_comes_as_near_to_the_exact_gradients_as_torch_does() -> None:
    for maps, kernel, stride, dilation in [(16, 3, 1, 2), (16, 3, 2, 1), (16, 7, 1, 1), (15, 7, 1, 1), (16, 7, 1, 3)]:
        images, kernels = drawn(8, maps, 16, 16), drawn(maps, 1, kernel, kernel, seed=1)
        geometry = stride, dilation * (kernel // 2), dilation

        def fast(x: Tensor, w: Tensor, geometry: tuple[int, int, int] = geometry) -> Tensor:
            return depthwise_conv2d(x, w, *geometry)

        def plain(x: Tensor, w: Tensor, geometry: tuple[int, int, int] = geometry) -> Tensor:
            return F.conv2d(x, w, None, *geometry, len(w))

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
