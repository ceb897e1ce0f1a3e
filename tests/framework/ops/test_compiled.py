from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framework.ops.compiled import depthwise_gemm, depthwise_stencil, is_cnhw, pointwise_gemm
from tests.framework.ops.gradients import assert_all_close, drawn, with_gradients


@pytest.mark.parametrize("way", [depthwise_stencil, depthwise_gemm])
@pytest.mark.parametrize("side", [(12, 12), (7, 10), (3, 3)])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("wider", [0, 1])
def test_is_conv2d_with_its_gradients(
    way: Callable[..., Tensor], side: tuple[int, int], kernel: int, stride: int, dilation: int, wider: int
) -> None:
    padding = dilation * (kernel // 2) + wider
    images, kernels = drawn(2, 4, *side).requires_grad_(), drawn(4, 1, kernel, kernel, seed=1).requires_grad_()
    found = way(images, kernels, stride, padding, dilation)
    expected = F.conv2d(images, kernels, None, stride, padding, dilation, groups=4)
    assert_all_close(with_gradients(found, images, kernels), with_gradients(expected, images, kernels))


def test_a_stencil_has_the_channels_last() -> None:
    images = torch.randn(2, 4, 5, 6)
    found = depthwise_stencil(images, torch.randn(4, 1, 3, 3), padding=1)
    assert images.is_contiguous() and found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("biased", [True, False])
def test_pointwise_is_conv2d_with_its_gradients(biased: bool) -> None:
    images = drawn(6, 2, 5, 4).transpose(0, 1).requires_grad_()
    weights = [drawn(8, 6, 1, 1, seed=3).requires_grad_(), drawn(8, seed=4).requires_grad_()][: 1 + biased]
    found, expected = pointwise_gemm(images, *weights), F.conv2d(images, *weights)
    assert_all_close(with_gradients(found, images, *weights), with_gradients(expected, images, *weights))
    assert is_cnhw(found)


def test_cnhw_is_one_order_alone() -> None:
    images = torch.zeros(6, 2, 5, 4)
    assert is_cnhw(images.transpose(0, 1)) and not is_cnhw(images[0])
    assert not is_cnhw(images) and not is_cnhw(images.contiguous(memory_format=torch.channels_last))
