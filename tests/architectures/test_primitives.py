import pytest
import torch
from torch import nn
from torchvision.models import convnext

from architectures.primitives import LayerNorm2d, Residual, conv_norm_act, same_padding, separable_conv_norm_act


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (3, 2), (5, 3), (1, 1)])
def test_dense_equals_plain_convolution(kernel: int, dilation: int, stride: int) -> None:
    ours = conv_norm_act(5, 7, kernel=kernel, stride=stride, dilation=dilation).eval()
    plain = nn.Conv2d(5, 7, kernel, stride, dilation * (kernel // 2), dilation, bias=False)
    plain.load_state_dict(ours.conv.state_dict())
    x = torch.randn(2, 5, 17, 13)
    expected = torch.relu(plain(x) / torch.sqrt(torch.tensor(1 + 1e-5)))
    torch.testing.assert_close(ours(x), expected)


@pytest.mark.parametrize("dilation", [1, 2])
def test_separable_equals_plain_depthwise_and_pointwise(dilation: int) -> None:
    ours = separable_conv_norm_act(6, 4, dilation=dilation, norm=None, act=None)
    depthwise = nn.Conv2d(6, 6, 3, 1, dilation, dilation, groups=6, bias=False)
    pointwise = nn.Conv2d(6, 4, 1)
    depthwise.load_state_dict(ours.conv_dw.state_dict())
    pointwise.load_state_dict(ours.conv_pw.state_dict())
    x = torch.randn(2, 6, 9, 9)
    assert torch.equal(ours(x), pointwise(depthwise(x)))


def test_separable_parameters_are_counted_exactly() -> None:
    block = separable_conv_norm_act(6, 4)
    assert sum(p.numel() for p in block.parameters()) == 6 * 9 + 6 * 4 + 2 * 4


def test_norm_and_activation_are_parameters() -> None:
    block = conv_norm_act(3, 8, norm=lambda channels: nn.GroupNorm(2, channels), act=nn.SiLU)
    assert [type(layer) for layer in block] == [nn.Conv2d, nn.GroupNorm, nn.SiLU]
    assert block.conv.bias is None
    bare = conv_norm_act(3, 8, norm=None, act=None)
    assert [type(layer) for layer in bare] == [nn.Conv2d]
    assert bare.conv.bias is not None


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_same_padding_keeps_the_size(kernel: int, dilation: int) -> None:
    conv = nn.Conv2d(1, 1, kernel, padding=same_padding(kernel, dilation), dilation=dilation)
    assert conv(torch.zeros(1, 1, 20, 23)).shape == (1, 1, 20, 23)


def test_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel 4 is even"):
        same_padding(4)


def test_residual_adds_its_input_before_the_activation() -> None:
    body = nn.Conv2d(3, 3, 1)
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(Residual(body)(x), torch.relu(x + body(x)))
    assert torch.equal(Residual(body, nn.Identity)(x), x + body(x))


def test_layer_norm_is_torchvisions() -> None:
    ours, theirs = LayerNorm2d(6), convnext.LayerNorm2d(6)
    nn.init.uniform_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6, 5, 4)
    assert torch.equal(ours(x), theirs(x))
    assert not torch.allclose(ours(x), nn.GroupNorm(1, 6)(x), atol=0.1)
