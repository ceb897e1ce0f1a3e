from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framework.ops.gemm import depthwise_gemm
from framework.ops.stencil import depthwise_stencil
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
