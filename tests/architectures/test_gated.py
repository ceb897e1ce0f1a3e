import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, silu

from architectures import create
from architectures.gated import GatedPointwise, GatedResidual, MixedDepthwise
from architectures.registry import ArchitectureError
from framework.inspection import receptive_field


def maps(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_each_share_is_seen_by_kernels_of_its_dilation() -> None:
    mix, x = MixedDepthwise(12, (1, 2, 4)).double(), maps(2, 12, 11, 9)
    kept, *seen = mix(x).chunk(4, 1)
    assert torch.equal(kept, x[:, :3])
    for number, dilation in enumerate((1, 2, 4)):
        share, conv = x[:, 3 + 3 * number : 6 + 3 * number], mix.convs[number]
        assert isinstance(conv, nn.Conv2d)
        for channel in range(3):
            one, kernel = share[:, channel : channel + 1], conv.weight[channel : channel + 1]
            plain = conv2d(one, kernel, padding=dilation, dilation=dilation)
            torch.testing.assert_close(seen[number][:, channel : channel + 1], plain)
            other = conv2d(one, kernel, padding=dilation + 1, dilation=dilation + 1)
            assert not torch.allclose(plain, other)


@pytest.mark.parametrize(("channels", "dilations", "shares"), [(50, (1, 2, 4), 4), (64, (1, 2), 3)])
def test_channels_that_make_no_equal_shares_are_named(channels: int, dilations: tuple[int, ...], shares: int) -> None:
    with pytest.raises(
        ArchitectureError, match=re.escape(f"{channels} channels: they have to be a multiple of {shares}")
    ):
        MixedDepthwise(channels, dilations)


def test_the_first_maps_gate_the_second() -> None:
    pointwise, x = GatedPointwise(6, nn.SiLU).double(), maps(2, 6, 4, 5)
    gate, value, out = *pointwise.conv_in.weight[:, :, 0, 0].chunk(2), pointwise.conv_out.weight[:, :, 0, 0]
    gate_bias, value_bias = pointwise.conv_in.bias.chunk(2)  # type: ignore[union-attr]
    pixels = x.permute(0, 2, 3, 1)
    gated = silu(pixels @ gate.T + gate_bias) * (pixels @ value.T + value_bias)
    by_hand = gated @ out.T + pointwise.conv_out.bias
    torch.testing.assert_close(pointwise(x), by_hand.permute(0, 3, 1, 2))


def test_a_residual_adds_to_the_scaled_maps() -> None:
    residual = GatedResidual(8, dilations=(1,), norm=nn.BatchNorm2d, act=nn.SiLU).double()
    x = maps(2, 8, 5, 5)
    with torch.no_grad():
        residual.scale.copy_(maps(8))
        torch.testing.assert_close(residual(x) - residual.body(x), x * maps(8)[:, None, None])


def test_has_fewer_than_100_000_parameters_and_sees_the_whole_image() -> None:
    network = create("c1c2c3c40_gated")
    assert sum(p.numel() for p in network.parameters()) == 99_150
    # 3 of the stem, then 2 * 4 by each of 4 residuals; 2 by the stride, then twice that by each of 3; 2 strides.
    field = receptive_field(network, (3, 32, 32))
    assert field.method == "exact"
    assert field.network.size == (3 + 8 * 4 + 2 + 16 * 3 + 2 * 2 + 2 * 4,) * 2


def test_each_pixel_is_normalised_over_its_maps() -> None:
    network = create("c1c2c3c40_gated", widths=(8, 12), depths=(1, 1)).double()
    out = network.get_submodule("c1.stem")(maps(2, 3, 8, 8))
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 8, 8, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (48,)}, "widths [48]: they have to be two positive numbers"),
        ({"widths": (48, 0)}, "widths [48, 0]"),
        ({"depths": (1, 2, 3)}, "depths [1, 2, 3]: they have to be two numbers from 0 to 100"),
        ({"depths": (-1, 2)}, "depths [-1, 2]"),
        ({"dilations": (1, 0, 2)}, "dilations [1, 0, 2]: they have to be positive numbers"),
        ({"widths": (48, 90)}, "90 channels: they have to be a multiple of 4"),
    ],
)
def test_wrong_options_are_named(options: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ArchitectureError, match=re.escape(message)):
        create("c1c2c3c40_gated", **options)
