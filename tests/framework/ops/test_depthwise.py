import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framework.ops.depthwise import batch_to_space, depthwise_conv2d, space_to_batch
from tests.framework.ops.gradients import (
    assert_all_close,
    bfloat16_instructions,
    drawn,
    error,
    skip_without_the_bug,
    with_gradients,
)


def own(images: Tensor, kernels: Tensor, *geometry: int) -> list[Tensor]:
    """Output and gradients of `depthwise_conv2d` with stride, padding and dilation."""
    given = images.clone().requires_grad_(), kernels.clone().requires_grad_()
    return with_gradients(depthwise_conv2d(*given, *geometry), *given)


def torchs(images: Tensor, kernels: Tensor, *geometry: int) -> list[Tensor]:
    """The same of PyTorch."""
    given = images.clone().requires_grad_(), kernels.clone().requires_grad_()
    return with_gradients(F.conv2d(*given, None, *geometry, len(kernels)), *given)


@pytest.mark.parametrize("side", [(12, 12), (7, 10), (1, 5)])
@pytest.mark.parametrize("dilation", [1, 2, 3, 5, 16])
def test_space_to_batch_is_the_strided_slices(side: tuple[int, int], dilation: int) -> None:
    images = drawn(2, 3, *side)
    found = space_to_batch(images, dilation)
    for number in range(2):
        for row in range(dilation):
            for column in range(dilation):
                subsampled = found[(number * dilation + row) * dilation + column]
                slice_ = images[number, :, row::dilation, column::dilation]
                assert torch.equal(subsampled[:, : slice_.shape[1], : slice_.shape[2]], slice_)
                assert subsampled.sum() == pytest.approx(float(slice_.sum()))
    assert torch.equal(batch_to_space(found, dilation, *side), images)


@pytest.mark.parametrize("side", [(12, 12), (7, 10), (3, 3)])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3), (1, 8)])
def test_gradients_are_those_of_conv2d(side: tuple[int, int], kernel: int, stride: int, dilation: int) -> None:
    images, kernels = drawn(2, 4, *side), drawn(4, 1, kernel, kernel, seed=1)
    geometry = stride, dilation * (kernel // 2), dilation
    assert_all_close(own(images, kernels, *geometry), torchs(images, kernels, *geometry), rtol=1e-10, atol=1e-10)


@bfloat16_instructions
@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "dilation"),
    [(16, 3, 1, 2), (16, 3, 2, 1), (16, 7, 1, 1), (15, 7, 1, 1), (16, 7, 1, 3)],
)
def test_bfloat16_is_as_near_to_the_exact_gradients_as_torch(
    channels: int, kernel: int, stride: int, dilation: int
) -> None:
    images, kernels = drawn(8, channels, 16, 16), drawn(channels, 1, kernel, kernel, seed=1)
    geometry = stride, dilation * (kernel // 2), dilation
    exact = torchs(images, kernels, *geometry)
    ours, theirs = (way(images.bfloat16(), kernels.bfloat16(), *geometry) for way in (own, torchs))
    for true, mine, other in zip(exact, ours, theirs, strict=True):
        assert mine.dtype == torch.bfloat16
        assert (mine - true).norm() < min(1.1 * (other - true).norm() + 1e-3 * true.norm(), 0.01 * true.norm())


@bfloat16_instructions
@pytest.mark.parametrize("side", [(1, 1), (1, 3), (2, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kernel", [5, 7])
def test_images_of_one_row_or_pixel_have_the_exact_gradients_in_bfloat16(
    side: tuple[int, int], layout: torch.memory_format, kernel: int
) -> None:
    # maps of 1x1 lie in memory both ways at once
    images, kernels = drawn(2, 4, *side).contiguous(memory_format=layout), drawn(4, 1, kernel, kernel, seed=1)
    found = own(images.bfloat16(), kernels.bfloat16(), 1, kernel // 2, 1)
    assert error(found, torchs(images, kernels, 1, kernel // 2, 1)) < 0.01


def test_large_dilated_kernels_have_the_exact_gradients_where_torchs_are_none() -> None:
    # 12 feature maps of 32x32 in bfloat16 and channels_last: torch 2.14.1 gives NaN for the gradient by the kernels
    images, kernels = drawn(8, 12, 32, 32).contiguous(memory_format=torch.channels_last), drawn(12, 1, 7, 7, seed=1)
    exact = torchs(images, kernels, 1, 9, 3)
    low = images.bfloat16(), kernels.bfloat16()
    skip_without_the_bug(error(torchs(*low, 1, 9, 3), exact), 0.01)
    assert error(own(*low, 1, 9, 3), exact) < 0.01


def test_only_what_is_wanted_is_computed() -> None:
    images, kernels = drawn(1, 2, 5, 5), drawn(2, 1, 3, 3).requires_grad_()
    depthwise_conv2d(images, kernels, 1, 2, 2).sum().backward()
    assert images.grad is None and kernels.grad is not None


@pytest.mark.parametrize(("size", "geometry"), [(3, (2, 2, 2)), (3, (1, 1, 2)), (3, (1, 0, 1)), (4, (1, 3, 2))])
def test_other_geometries_are_refused(size: int, geometry: tuple[int, int, int]) -> None:
    with pytest.raises(AssertionError):
        depthwise_conv2d(drawn(1, 2, 5, 5), drawn(2, 1, size, size), *geometry)
