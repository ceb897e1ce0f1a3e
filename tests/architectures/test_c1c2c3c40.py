from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from architectures import create
from architectures.blur import Blur
from architectures.registry import ArchitectureError

FORMS = ["quick", "small", "mirror", "mirror_small", "gated", "gated_mirror", "gated_mirror_small"]
FAMILY = ["c1c2c3c40"] + [f"c1c2c3c40_{form}" for form in (*FORMS, "reference", "dilated", "maxpool")]
WIDTHS = (8, 16, 20, 40)


def convolutions(network: nn.Module) -> Iterator[nn.Conv2d]:
    return (module for module in network.modules() if isinstance(module, nn.Conv2d))


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", FAMILY)
def test_registered_networks_keep_the_budget_and_give_logits(name: str) -> None:
    network = create(name)
    assert parameters(network) < 200_000
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_the_small_ones_have_fewer_than_100_000_parameters() -> None:
    assert parameters(create("c1c2c3c40_small")) == 94_114 < 100_000 < parameters(create("c1c2c3c40_quick"))
    assert parameters(create("c1c2c3c40_mirror_small")) == 99_018 < 100_000 < parameters(create("c1c2c3c40_mirror"))


@pytest.mark.parametrize("name", FAMILY)
def test_any_classes_channels_norm_and_size(name: str) -> None:
    network = create(name, num_classes=7, in_channels=1, norm=nn.InstanceNorm2d)
    assert network(torch.zeros(2, 1, 40, 40)).shape == (2, 7)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", FAMILY)
def test_has_depthwise_separable_dilated_and_global_average_pooling(name: str) -> None:
    convs = list(convolutions(create(name)))
    depthwise = [conv.groups == conv.in_channels > 1 for conv in convs]
    pointwise = [conv.kernel_size == (1, 1) for conv in convs]
    assert any(a and b for a, b in zip(depthwise, pointwise[1:], strict=False))
    assert any(min(conv.dilation) > 1 for conv in convs)
    pools = [module for module in create(name).modules() if isinstance(module, nn.AdaptiveAvgPool2d)]
    assert [pool.output_size for pool in pools] == [1]


@pytest.mark.parametrize(
    "name",
    ["c1c2c3c40"]
    + [f"c1c2c3c40_{form}" for form in ("mirror", "gated", "gated_mirror", "gated_mirror_small", "reference")],
)
def test_exactly_three_strided_convolutions_and_no_other_pooling(name: str) -> None:
    strided = [conv for conv in convolutions(create(name)) if conv.stride != (1, 1)]
    assert [(conv.kernel_size, conv.stride) for conv in strided] == [((3, 3), (2, 2))] * 3
    assert not any(isinstance(module, nn.MaxPool2d | nn.AvgPool2d) for module in create(name).modules())


def test_dilated_has_no_stride_and_no_pooling() -> None:
    network = create("c1c2c3c40_dilated")
    assert all(conv.stride == (1, 1) for conv in convolutions(network))
    assert not any(isinstance(module, nn.MaxPool2d | nn.AvgPool2d) for module in network.modules())
    features = nn.Sequential(network.c1, network.c2, network.c3, network.c4)
    assert features(torch.zeros(1, 3, 32, 32)).shape[2:] == (32, 32)


def test_maxpool_pools_three_times_and_never_strides() -> None:
    network = create("c1c2c3c40_maxpool")
    assert sum(isinstance(module, nn.MaxPool2d) for module in network.modules()) == 3
    assert all(conv.stride == (1, 1) for conv in convolutions(network))


def test_the_four_forms_have_the_same_parameters() -> None:
    first, *others = (
        [tuple(p.shape) for p in create("c1c2c3c40", widths=WIDTHS, down=down).parameters()]
        for down in ("stride", "blur", "dilation", "maxpool")
    )
    assert others == [first] * 3


@pytest.mark.parametrize("name", ["c1c2c3c40", "c1c2c3c40_mirror", "c1c2c3c40_mirror_small"])
def test_a_blur_stands_in_front_of_each_stride(name: str) -> None:
    layers = [m for m in create(name, down="blur").modules() if isinstance(m, nn.Conv2d | Blur)]
    strided = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Conv2d) and layer.stride != (1, 1)]
    assert len(strided) == 3
    assert parameters(create(name, down="blur")) == parameters(create(name))
    assert [place for place, layer in enumerate(layers) if isinstance(layer, Blur)] == [place - 1 for place in strided]


def test_dilation_computes_what_stride_computes_and_more() -> None:
    """Atrous equivalence: away from the border the dilated form contains the strided form's map at every 8th pixel."""
    torch.manual_seed(0)
    strided, dilated = (create(name, widths=WIDTHS).eval() for name in ("c1c2c3c40", "c1c2c3c40_dilated"))
    dilated.load_state_dict(strided.state_dict())
    x = torch.randn(1, 3, 192, 192)
    maps = [nn.Sequential(net.c1, net.c2, net.c3, net.c4)(x) for net in (strided, dilated)]
    torch.testing.assert_close(maps[0][..., 9:-9, 9:-9], maps[1][..., ::8, ::8][..., 9:-9, 9:-9])


def map_sizes(network: nn.Module) -> list[int]:
    sizes = []
    x: Tensor = torch.zeros(1, 3, 32, 32)
    for block in (network.c1, network.c2, network.c3, network.c4):
        x = block(x)
        sizes.append(x.shape[-1])
    return sizes


def test_reference_keeps_to_the_written_table() -> None:
    network = create("c1c2c3c40_reference")
    assert map_sizes(network) == [32, 15, 7, 4]
    field, jump, fields = 1, 1, []
    for block in (network.c1, network.c2, network.c3, network.c4):
        for conv in convolutions(block):
            field += (conv.kernel_size[0] - 1) * conv.dilation[0] * jump
            jump *= conv.stride[0]
            fields.append(field)
    # C1 ends after 3 convolutions, C2 after 5 more, C3 after 5; C4's last but one and last are 121 and 137
    assert [fields[i] for i in (2, 7, 12, -2, -1)] == [13, 33, 57, 121, 137]


def reached_pixels(name: str) -> int:
    network = create(name, norm=lambda channels: nn.Identity(), act=nn.Identity).double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.0)
    x = torch.ones(1, 3, 32, 32, dtype=torch.double, requires_grad=True)
    network(x).sum().backward()
    return int((x.grad[0].abs().sum(0) > 0).sum())


def test_the_reference_is_blind_to_three_quarters_and_the_others_see_all() -> None:
    assert reached_pixels("c1c2c3c40_reference") == 256
    others = [name for name in FAMILY if name not in ("c1c2c3c40_reference", "c1c2c3c40_maxpool")]
    assert [reached_pixels(name) for name in others] == [1024] * len(others)


@pytest.mark.parametrize("head", ["fc", "conv1x1", "conv3x3"])
def test_heads(head: str) -> None:
    network = create("c1c2c3c40", head=head, num_classes=3)
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_only_the_centre_of_the_3x3_head_meets_data() -> None:
    network = create("c1c2c3c40_reference")
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    taps = network.head.conv.weight.grad.abs().sum((0, 1)) > 0
    assert taps.nonzero().tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "fc2"}, "unknown head 'fc2'; valid: fc, conv1x1, conv3x3"),
        ({"widths": [1, 2, 3]}, r"widths \[1, 2, 3\]"),
        ({"width": 0.001}, "scaled by 0.001"),
        ({"depths": [1, 1, 1]}, r"depths \[1, 1, 1\]"),
        ({"down": "jump"}, "unknown transition 'jump'; valid: stride, blur, maxpool, dilation"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        create("c1c2c3c40", **options)


def test_depth_and_width_change_the_network() -> None:
    assert parameters(create("c1c2c3c40", depths=[2, 1, 1, 1])) > parameters(create("c1c2c3c40"))
    assert parameters(create("c1c2c3c40", width=0.5)) < 0.3 * parameters(create("c1c2c3c40"))
