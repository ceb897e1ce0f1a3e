import re

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import conv2d, layer_norm, silu
from torchvision.models.convnext import LayerNorm2d

from architectures import create
from architectures.gated import GatedPointwise, GatedResidual, MixedDepthwise, as_they_lie
from architectures.registry import ArchitectureError
from framework.inspection import receptive_field
from framework.ops.overrides import OperatorOverrides
from framework.ops.pointwise_gemm import is_cnhw
from tests.framework.ops.test_conv2d import targets_of_compiled


def maps(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_each_share_is_seen_by_its_kernels() -> None:
    mix, x = MixedDepthwise(16, (3, 5, 3), (1, 1, 2)).double(), maps(2, 16, 11, 9)
    seen = mix(x)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    for share in range(4):
        channels = [2 * share, 2 * share + 1, 8 + 2 * share, 9 + 2 * share]  # of the first half and of the second
        given, found = x[:, channels], seen[:, channels]
        if share == 0:
            assert torch.equal(found, given)
            continue
        size, dilation = [(3, 1), (5, 1), (3, 2)][share - 1]
        conv = mix.convs[share - 1]
        if dilation > 1:
            given = conv2d(given, torch.full((4, 1, 3, 3), 1 / 9, dtype=torch.float64), padding=1, groups=4)
            conv = conv[-1]  # type: ignore[index]
        assert isinstance(conv, nn.Conv2d) and conv.weight.shape == (4, 1, size, size)
        for channel in range(4):
            one, kernel = given[:, channel : channel + 1], conv.weight[channel : channel + 1]
            plain = conv2d(one, kernel, padding=dilation * (size // 2), dilation=dilation)
            torch.testing.assert_close(found[:, channel : channel + 1], plain)
            other = conv2d(one, kernel, padding=(dilation + 1) * (size // 2), dilation=dilation + 1)
            assert not torch.allclose(plain, other)


def test_with_the_maps_first_it_is_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    residual = GatedResidual(16, kernels=(3, 5, 3), dilations=(1, 1, 2), norm=LayerNorm2d, act=nn.SiLU).double()
    torch.nn.init.uniform_(residual.scale)
    x = maps(2, 16, 11, 9)
    expected = residual(x)
    assert not is_cnhw(expected)
    monkeypatch.setattr("architectures.gated.channel_axis", lambda x: 0)
    torch.testing.assert_close(residual(x), expected)
    assert is_cnhw(residual.body.mix(x))


@pytest.mark.parametrize(("axis", "shapes"), [(3, [(2, 6, 4, 5), (1, 6, 1, 1)]), (0, [(6, 2, 4, 5), (6, 1, 1, 1)])])
def test_a_function_of_values_is_written_as_the_maps_lie(
    monkeypatch: pytest.MonkeyPatch, axis: int, shapes: list[tuple[int, ...]]
) -> None:
    monkeypatch.setattr("architectures.gated.channel_axis", lambda x: axis)
    seen, x, scale = [], maps(2, 6, 4, 5), maps(1, 6, 1, 1)

    def product(*given: Tensor) -> Tensor:
        seen.extend(tuple(one.shape) for one in given)
        return given[0] * given[1]

    assert torch.equal(as_they_lie(product, x, scale), x * scale)
    assert seen == shapes


def test_a_residual_that_is_compiled_for_a_gpu_is_made_of_products() -> None:
    with FakeTensorMode(), torch.device("cuda"), OperatorOverrides():
        residual = GatedResidual(16, kernels=(3, 7, 7), dilations=(1, 1, 3), norm=LayerNorm2d, act=nn.SiLU)
        x = torch.empty(2, 16, 8, 8)
        targets = targets_of_compiled(residual, x)
        assert is_cnhw(torch.compile(residual, backend="eager")(x))
    assert torch.conv2d not in targets and layer_norm not in targets
    assert targets.count(torch.bmm) == 4  # three kernels, and the blur in front of a dilated one


@pytest.mark.parametrize(("channels", "kernels", "shares"), [(52, (3, 3, 7), 4), (64, (3, 5), 3)])
def test_channels_that_make_no_equal_shares_are_named(channels: int, kernels: tuple[int, ...], shares: int) -> None:
    with pytest.raises(
        ArchitectureError,
        match=re.escape(
            f"{channels} channels: they have to be a multiple of {2 * shares}, pairs for each of the {shares}"
        ),
    ):
        MixedDepthwise(channels, kernels, (1,) * len(kernels))


def test_each_map_has_its_gate() -> None:
    pointwise, x = GatedPointwise(6, nn.SiLU).double(), maps(2, 6, 4, 5)

    def by_hand(conv: nn.Conv2d, pixels: Tensor) -> Tensor:
        return pixels @ conv.weight[:, :, 0, 0].T + conv.bias

    pixels = x.permute(0, 2, 3, 1)
    gated = silu(by_hand(pointwise.conv_gate, pixels)) * by_hand(pointwise.conv_value, pixels)
    expected = by_hand(pointwise.conv_out, gated).permute(0, 3, 1, 2)
    torch.testing.assert_close(pointwise(x), expected)


def test_a_residual_adds_to_the_scaled_maps() -> None:
    residual = GatedResidual(8, kernels=(3,), dilations=(1,), norm=nn.BatchNorm2d, act=nn.SiLU).double()
    x = maps(2, 8, 5, 5)
    with torch.no_grad():
        residual.scale.copy_(maps(8))
        torch.testing.assert_close(residual(x) - residual.body(x), x * maps(8)[:, None, None])


def test_a_residual_is_summed_in_float32() -> None:
    residual = GatedResidual(8, kernels=(3,), dilations=(1,), norm=LayerNorm2d, act=nn.SiLU)
    with torch.autocast("cpu", torch.bfloat16):
        assert residual(maps(2, 8, 5, 5).float()).dtype == torch.float32
        assert residual.body(maps(2, 8, 5, 5).float()).dtype == torch.bfloat16


def test_has_fewer_than_100_000_parameters_and_sees_the_whole_image() -> None:
    network = create("c1c2c3c40_gated")
    assert sum(p.numel() for p in network.parameters()) == 99_306
    # 3 of the stem, then 2 + 6 * 3 by each of 3 residuals; 2 by the stride, then twice that by each of 3; 2 strides.
    field = receptive_field(network, (3, 32, 32))
    assert field.method == "exact"
    assert field.network.size == (3 + 20 * 3 + 2 + 40 * 3 + 2 * 2 + 2 * 4,) * 2


def test_in_pairs_an_image_and_its_mirror_image_are_the_same() -> None:
    assert sum(p.numel() for p in create("c1c2c3c40_gated_mirror").parameters()) == 198_670
    assert sum(p.numel() for p in create("c1c2c3c40_gated_mirror_small").parameters()) == 93_484
    network, images = create("c1c2c3c40_gated_mirror", widths=(16, 24)).double(), maps(4, 3, 33, 33)
    torch.testing.assert_close(network(images), network(images.flip(3)))
    plain = create("c1c2c3c40_gated", widths=(16, 24)).double()
    assert not torch.allclose(plain(images), plain(images.flip(3)))


def test_each_pixel_is_normalised_over_its_maps() -> None:
    network = create("c1c2c3c40_gated", widths=(8, 16), depths=(1, 1)).double()
    out = network.get_submodule("c1.stem")(maps(2, 3, 8, 8))
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 8, 8, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (48,)}, "widths [48]: they have to be two positive numbers"),
        ({"widths": (48, 0)}, "widths [48, 0]"),
        ({"depths": (1, 2, 3)}, "depths [1, 2, 3]: they have to be two numbers from 0 to 100"),
        ({"depths": (-1, 2)}, "depths [-1, 2]"),
        ({"kernels": (3, 3)}, "kernels [3, 3], dilations [1, 1, 3]: they have to be as many of each"),
        ({"kernels": (3, 4, 7)}, "kernels [3, 4, 7]: they have to be odd numbers"),
        ({"kernels": (3, -1, 7)}, "kernels [3, -1, 7]: they have to be odd numbers"),
        ({"dilations": (1, 0, 2)}, "dilations [1, 0, 2]: they have to be positive numbers"),
        ({"widths": (48, 90)}, "90 channels: they have to be a multiple of 8"),
    ],
)
def test_wrong_options_are_named(options: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ArchitectureError, match=re.escape(message)):
        create("c1c2c3c40_gated", **options)
