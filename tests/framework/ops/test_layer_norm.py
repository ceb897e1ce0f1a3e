import shutil
from collections.abc import Iterable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torchvision.models.convnext import LayerNorm2d

from architectures import create
from framework.engine.precision import arithmetic
from framework.ops.layer_norm import layer_norm, layer_norm_of_first
from framework.ops.overrides import OperatorOverrides
from framework.ops.pointwise_gemm import is_cnhw
from tests.framework.ops.test_conv2d import targets_of_compiled, weights_gradients
from tests.framework.ops.test_depthwise import drawn
from tests.framework.ops.test_stencil import with_gradients

CPU = torch.device("cpu")


def worst(found: Iterable[Tensor], exact: Iterable[Tensor]) -> float:
    """The largest distance between two tensors of the same place, as a share of the exact one's norm."""
    return max(float((mine - true).norm() / true.norm()) for mine, true in zip(found, exact, strict=True))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_bfloat16_has_its_gradients(memory_format: torch.memory_format) -> None:
    """torch 2.14.1 alone is off by 0.7 of their size."""
    layer = LayerNorm2d(16)
    images = drawn(64, 16, 32, 32, dtype=torch.float32).contiguous(memory_format=memory_format)
    exact = weights_gradients(layer, images, "float32")
    assert worst(weights_gradients(layer, images.bfloat16(), "bfloat16"), exact) < 0.01


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_so_it_has_in_what_is_compiled() -> None:
    layer, images = LayerNorm2d(16), drawn(64, 16, 32, 32, dtype=torch.float32)
    exact = weights_gradients(layer, images, "float32")
    assert worst(weights_gradients(layer, images.bfloat16(), "bfloat16", compiled=True), exact) < 0.01


def test_a_network_has_the_gradients_of_its_norms() -> None:
    torch.manual_seed(0)
    network = create("c1c2c3c40_gated", depths=[1, 1])
    images = drawn(32, 3, 32, 32, dtype=torch.float32)
    exact = weights_gradients(network, images, "float32")
    # One by one they differ more than those of a layer: bfloat16 is in all that is behind and in front of them.
    assert worst(weights_gradients(network, images, "bfloat16"), exact) < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("affine", [True, False])
def test_in_other_precisions_it_is_torchs(dtype: torch.dtype, affine: bool) -> None:
    layer, images = nn.LayerNorm(5, eps=0.1, elementwise_affine=affine, dtype=dtype), drawn(4, 5, dtype=dtype)
    given = images, (5,), layer.weight, layer.bias, 0.1
    assert torch.equal(layer_norm(*given), F.layer_norm(*given))
    with arithmetic(CPU, "float32"):
        assert torch.equal(layer(images), F.layer_norm(*given))


def test_without_weights_and_without_gradients_it_keeps_the_type() -> None:
    images = drawn(4, 5, dtype=torch.bfloat16)
    assert layer_norm(images, (5,)).dtype == torch.bfloat16
    with torch.no_grad():
        assert torch.equal(layer_norm(images, (5,)), F.layer_norm(images, (5,)))


@pytest.mark.parametrize("affine", [True, False])
def test_over_the_first_dimension_it_is_torchs_with_its_gradients(affine: bool) -> None:
    images, weights = drawn(5, 2, 3, 4).requires_grad_(), [drawn(5, seed=2).requires_grad_() for _ in range(2)]
    given = weights if affine else [None, None]
    found = layer_norm_of_first(images, *given, 0.1)
    expected = F.layer_norm(images.movedim(0, -1), (5,), *given, 0.1).movedim(-1, 0)
    inputs = [images, *weights] if affine else [images]
    for ours, theirs in zip(with_gradients(found, *inputs), with_gradients(expected, *inputs), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_written_out_for_a_gpu_where_maps_come_first(dtype: torch.dtype) -> None:
    with FakeTensorMode(), torch.device("cuda"), OperatorOverrides():
        layer, first = LayerNorm2d(6, dtype=dtype), torch.empty(6, 2, 8, 8, dtype=dtype).transpose(0, 1)
        assert F.layer_norm not in targets_of_compiled(layer, first)
        assert F.layer_norm in targets_of_compiled(layer, first.contiguous())
        compiled = torch.compile(layer, backend="eager")(first)
        assert compiled.dtype == dtype and is_cnhw(compiled)
