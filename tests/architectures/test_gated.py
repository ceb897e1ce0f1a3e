import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, silu

from architectures import ArchitectureError, create
from architectures.gated import GatedPointwise, GatedResidual, MixedDepthwise, apply_in_layout, channel_dim
from architectures.primitives import LayerNorm2d
from framework.inspection import receptive_field


def features(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def is_cnhw(x: Tensor) -> bool:
    return x.transpose(0, 1).is_contiguous()


def test_each_group_is_convolved_with_its_kernels() -> None:
    mix, x = MixedDepthwise(16, (3, 5, 3), (1, 1, 2)).double(), features(2, 16, 11, 9)
    output = mix(x)
    assert output.is_contiguous(memory_format=torch.channels_last)
    for group in range(4):
        channels = [2 * group, 2 * group + 1, 8 + 2 * group, 9 + 2 * group]  # of the first half and of the second
        given, found = x[:, channels], output[:, channels]
        if group == 0:
            assert torch.equal(found, given)
            continue
        size, dilation = [(3, 1), (5, 1), (3, 2)][group - 1]
        conv = mix.convs[group - 1]
        if dilation > 1:
            given = conv2d(given, torch.full((4, 1, 3, 3), 1 / 9, dtype=torch.float64), padding=1, groups=4)
            conv = conv[-1]  # type: ignore[index]
        assert isinstance(conv, nn.Conv2d) and conv.weight.shape == (4, 1, size, size)
        for channel in range(4):
            one, kernel = given[:, channel : channel + 1], conv.weight[channel : channel + 1]
            plain = conv2d(one, kernel, padding=dilation * (size // 2), dilation=dilation)
            torch.testing.assert_close(found[:, channel : channel + 1], plain)


def test_in_cnhw_it_is_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout of a GPU, computed on a CPU."""
    residual = GatedResidual(16, kernels=(3, 5, 3), dilations=(1, 1, 2), norm=LayerNorm2d, act=nn.SiLU).double()
    nn.init.uniform_(residual.scale)
    x = features(2, 16, 11, 9)
    expected = residual(x)
    assert not is_cnhw(expected)
    monkeypatch.setattr("architectures.gated.channel_dim", lambda x: 0)
    torch.testing.assert_close(residual(x), expected)
    assert is_cnhw(residual.body.mix(x))


def test_an_exported_graph_keeps_the_channels_where_they_are() -> None:
    residual = GatedResidual(16, kernels=(3, 5, 3), dilations=(1, 1, 2), norm=nn.BatchNorm2d, act=nn.SiLU).eval()
    x = features(2, 16, 11, 9).float()
    program = torch.export.export(residual, (x,))
    called = [node for node in program.graph.nodes if node.op == "call_function"]
    assert not [node for node in called if "permute" in str(node.target) or "transpose" in str(node.target)]
    assert all(node.args[1:] == (1, 1) for node in called if "movedim" in str(node.target))
    torch.testing.assert_close(program.module()(x), residual(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("device", "dim", "shapes"),
    [("cpu", 3, [(2, 6, 4, 5), (1, 6, 1, 1)]), ("meta", 0, [(6, 2, 4, 5), (6, 1, 1, 1)])],
)
def test_an_elementwise_function_gets_the_layout_of_the_device(
    device: str, dim: int, shapes: list[tuple[int, ...]]
) -> None:
    seen, x, scale = [], features(2, 6, 4, 5).to(device), features(1, 6, 1, 1).to(device)

    def product(*given: Tensor) -> Tensor:
        seen.extend(tuple(one.shape) for one in given)
        return given[0] * given[1]

    assert channel_dim(x) == dim
    assert apply_in_layout(product, x, scale).shape == x.shape
    assert seen == shapes


@pytest.mark.parametrize(("channels", "kernels", "groups"), [(52, (3, 3, 7), 4), (64, (3, 5), 3)])
def test_channels_that_make_no_equal_groups_are_named(channels: int, kernels: tuple[int, ...], groups: int) -> None:
    message = f"{channels} channels: valid is a multiple of {2 * groups}, pairs for each of {groups} groups"
    with pytest.raises(ArchitectureError, match=message):
        MixedDepthwise(channels, kernels, (1,) * len(kernels))


def test_each_channel_has_its_gate() -> None:
    pointwise, x = GatedPointwise(6, nn.SiLU).double(), features(2, 6, 4, 5)

    def by_hand(conv: nn.Conv2d, pixels: Tensor) -> Tensor:
        return pixels @ conv.weight[:, :, 0, 0].T + conv.bias

    pixels = x.permute(0, 2, 3, 1)
    gated = silu(by_hand(pointwise.conv_gate, pixels)) * by_hand(pointwise.conv_value, pixels)
    expected = by_hand(pointwise.conv_out, gated).permute(0, 3, 1, 2)
    torch.testing.assert_close(pointwise(x), expected)


def test_a_residual_adds_to_the_scaled_input() -> None:
    residual = GatedResidual(8, kernels=(3,), dilations=(1,), norm=nn.BatchNorm2d, act=nn.SiLU).double()
    x = features(2, 8, 5, 5)
    with torch.no_grad():
        residual.scale.copy_(features(8))
        torch.testing.assert_close(residual(x) - residual.body(x), x * features(8)[:, None, None])


def test_in_mixed_precision_the_sum_stays_in_float32() -> None:
    residual = GatedResidual(8, kernels=(3,), dilations=(1,), norm=LayerNorm2d, act=nn.SiLU)
    with torch.autocast("cpu", torch.bfloat16):
        x = torch.rand(2, 8, 5, 5)
        assert residual.body(x).dtype == torch.bfloat16
        assert residual(x).dtype == torch.float32


def test_the_receptive_field_of_the_smaller_network_is_the_whole_image() -> None:
    # 3 of the stem, 2 + 6 * 3 of the one residual block at full resolution, 2 of the stride, then twice that of each
    # of 4 blocks at half resolution, and the last two strides.
    field = receptive_field(create("c1c2c3c40_gated_mirror_small"), (3, 32, 32))
    assert field.method == "exact"
    assert field.network.size == (3 + 20 + 2 + 40 * 4 + 2 * 2 + 2 * 4,) * 2


def test_an_image_and_its_reflection_have_the_same_logits() -> None:
    network, images = create("c1c2c3c40_gated_mirror", widths=(16, 24)).double(), features(4, 3, 33, 33)
    torch.testing.assert_close(network(images), network(images.flip(3)))
    assert not torch.allclose(network(images), network(images.flip(2)))  # the control: top and bottom swapped


def test_each_pixel_is_normalised_over_its_channels() -> None:
    network = create("c1c2c3c40_gated_mirror", widths=(8, 16)).double()
    out = network.get_submodule("c1.stem")(features(2, 3, 8, 8))
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 8, 8, dtype=torch.float64), atol=1e-6, rtol=0)


def test_blocks_of_c3_are_at_a_quarter_of_the_resolution() -> None:
    shapes = {}
    network = create("c1c2c3c40_gated_mirror", widths=(8, 16), depths=(1, 1, 2))
    for name, module in network.named_modules():
        if isinstance(module, GatedResidual):
            module.register_forward_hook(lambda _, x, y, name=name: shapes.update({name: tuple(y.shape)}))
    network(features(2, 3, 32, 32).float())
    expected = {"c1.gated1": (2, 8, 32, 32), "c2.gated1": (2, 16, 16, 16)}
    assert shapes == expected | dict.fromkeys(("c3.gated1", "c3.gated2"), (2, 16, 8, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (48,)}, "widths [48]: valid are 2 positive numbers, for C1 to C2"),
        ({"widths": (48, 0)}, "widths [48, 0]"),
        ({"depths": (1,)}, "depths [1]: valid are 2 numbers from 0 to 100"),
        ({"depths": (1, 2, 3, 4)}, "depths [1, 2, 3, 4]: valid are 3 numbers from 0 to 100"),
        ({"depths": (-1, 2)}, "depths [-1, 2]"),
        ({"kernels": (3, 3)}, "kernels [3, 3], dilations [1, 1, 3]: valid are as many of each"),
        ({"kernels": (3, 4, 7)}, "kernels [3, 4, 7]: valid are odd numbers"),
        ({"kernels": (3, -1, 7)}, "kernels [3, -1, 7]: valid are odd numbers"),
        ({"dilations": (1, 0, 2)}, "dilations [1, 0, 2]: valid are positive numbers"),
        ({"widths": (48, 90)}, "90 channels: valid is a multiple of 8"),
    ],
)
def test_wrong_options_are_named(options: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ArchitectureError, match=re.escape(message)):
        create("c1c2c3c40_gated_mirror", **options)
