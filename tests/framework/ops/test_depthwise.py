from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from framework.ops.depthwise import batch_to_space, depthwise_conv2d, space_to_batch


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
    found = space_to_batch(images, dilation)
    for number in range(2):
        for row in range(dilation):
            for column in range(dilation):
                lattice = found[(number * dilation + row) * dilation + column]
                slice_ = images[number, :, row::dilation, column::dilation]
                assert torch.equal(lattice[:, : slice_.shape[1], : slice_.shape[2]], slice_)
                assert lattice.sum() == pytest.approx(float(slice_.sum()))
    assert torch.equal(batch_to_space(found, dilation, *side), images)


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


def test_far_looking_kernels_have_the_exact_gradients_where_torchs_are_none() -> None:
    # 12 maps of 32x32 in bfloat16 and channels_last: torch 2.14.1 gives NaN for the gradient by the kernels
    images, kernels = drawn(8, 12, 32, 32).contiguous(memory_format=torch.channels_last), drawn(12, 1, 7, 7, seed=1)
    exact = gradients(lambda x, w: F.conv2d(x, w, None, 1, 9, 3, 12), images, kernels)
    ours = gradients(lambda x, w: depthwise_conv2d(x, w, 1, 9, 3), images.bfloat16(), kernels.bfloat16())
    for true, mine in zip(exact, ours, strict=True):
        assert (mine - true).norm() < 0.01 * true.norm()


@pytest.mark.parametrize(("size", "dilation", "calls"), [(3, 1, 1), (5, 1, 2), (7, 1, 3), (7, 3, 3), (9, 2, 3)])
def test_gradients_by_kernels_are_taken_three_columns_at_a_time(size: int, dilation: int, calls: int) -> None:
    seen: list[int] = []

    class Columns(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func == torch.ops.aten.convolution_backward.default:
                seen.append(args[2].shape[3])
            return func(*args, **(kwargs or {}))

    images, kernels = drawn(1, 2, 12, 12), drawn(2, 1, size, size).requires_grad_()
    output = depthwise_conv2d(images, kernels, 1, dilation * (size // 2), dilation)
    with Columns():
        output.sum().backward()
    assert seen == [3] * calls


def test_only_what_is_wanted_is_computed() -> None:
    images, kernels = drawn(1, 2, 5, 5), drawn(2, 1, 3, 3).requires_grad_()
    depthwise_conv2d(images, kernels, 1, 2, 2).sum().backward()
    assert images.grad is None and kernels.grad is not None


@pytest.mark.parametrize(("size", "geometry"), [(3, (2, 2, 2)), (3, (1, 1, 2)), (3, (1, 0, 1)), (4, (1, 3, 2))])
def test_other_geometries_are_refused(size: int, geometry: tuple[int, int, int]) -> None:
    with pytest.raises(AssertionError):
        depthwise_conv2d(drawn(1, 2, 5, 5), drawn(2, 1, size, size), *geometry)
