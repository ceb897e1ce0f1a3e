import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torchvision.models.convnext import LayerNorm2d

from architectures import create
from framework.ops import PLAIN_OPS, OperatorOverrides
from framework.ops.compiled import is_cnhw
from framework.ops.layer_norm import layer_norm, layer_norm_of_first
from tests.framework.ops.gradients import (
    assert_all_close,
    drawn,
    error,
    skip_without_the_bug,
    still_needed,
    targets_of_compiled,
    weight_gradients,
    with_gradients,
)

FORMATS = [torch.contiguous_format, torch.channels_last]


def errors(plain: tuple[str, ...], memory_format: torch.memory_format) -> float:
    """How far bfloat16's gradients by weight and bias are from the exact ones, over 64 feature maps of 32x32."""
    layer = LayerNorm2d(16)
    images = drawn(64, 16, 32, 32, dtype=torch.float32).contiguous(memory_format=memory_format)
    exact = weight_gradients(layer, images, "float32")
    return error(weight_gradients(layer, images.bfloat16(), "bfloat16", plain), exact)


@still_needed("layer_norm")
@pytest.mark.parametrize("memory_format", FORMATS)
def test_pytorch_alone_has_its_gradients_in_bfloat16(memory_format: torch.memory_format) -> None:
    assert errors(PLAIN_OPS, memory_format) < 0.01


@pytest.mark.parametrize("memory_format", FORMATS)
def test_bfloat16_has_its_gradients(memory_format: torch.memory_format) -> None:
    skip_without_the_bug(errors(PLAIN_OPS, memory_format), 0.01)
    assert errors((), memory_format) < 0.01


def test_a_network_has_the_gradients_of_its_norms() -> None:
    torch.manual_seed(0)
    network = create("c1c2c3c40_gated_mirror", depths=[1, 1])
    images = drawn(32, 3, 32, 32, dtype=torch.float32)
    exact = weight_gradients(network, images, "float32")
    # They differ more than those of a layer: bfloat16 is in all that is behind and in front of them.
    skip_without_the_bug(error(weight_gradients(network, images, "bfloat16", ("layer_norm",)), exact), 0.1)
    assert error(weight_gradients(network, images, "bfloat16"), exact) < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("affine", [True, False])
def test_in_other_precisions_it_is_torchs(dtype: torch.dtype, affine: bool) -> None:
    layer, images = nn.LayerNorm(5, eps=0.1, elementwise_affine=affine, dtype=dtype), drawn(4, 5, dtype=dtype)
    given = images, (5,), layer.weight, layer.bias, 0.1
    assert torch.equal(layer_norm(*given), F.layer_norm(*given))
    with OperatorOverrides():
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
    assert_all_close(with_gradients(found, *inputs), with_gradients(expected, *inputs))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_written_out_for_a_gpu_in_cnhw(dtype: torch.dtype) -> None:
    with FakeTensorMode(), torch.device("cuda"):
        layer, first = LayerNorm2d(6, dtype=dtype), torch.empty(6, 2, 8, 8, dtype=dtype).transpose(0, 1)
        with OperatorOverrides():
            assert F.layer_norm not in targets_of_compiled(layer, first)
            assert F.layer_norm in targets_of_compiled(layer, first.contiguous())
            compiled = torch.compile(layer, backend="eager")(first)
            assert compiled.dtype == dtype and is_cnhw(compiled)
        with OperatorOverrides(["layer_norm"]):
            assert F.layer_norm in targets_of_compiled(layer, first)
