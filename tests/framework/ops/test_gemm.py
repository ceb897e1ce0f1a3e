import pytest
import torch
import torch.nn.functional as F

from framework.ops.gemm import is_cnhw, pointwise_gemm
from tests.framework.ops.gradients import assert_all_close, drawn, with_gradients


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
