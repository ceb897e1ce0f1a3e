from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from architectures import ArchitectureError, create
from architectures.blur import Blur

PARAMETERS = {
    "c1c2c3c40": 184_762,
    "c1c2c3c40_maxpool": 184_762,
    "c1c2c3c40_dilated": 37_858,
    "c1c2c3c40_reference": 194_606,
    "c1c2c3c40_quick": 188_610,
    "c1c2c3c40_mirror": 197_482,
    "c1c2c3c40_gated_mirror": 198_670,
    "c1c2c3c40_gated_mirror_small": 93_484,
}
FAMILY = list(PARAMETERS)
STRIDED = [name for name in FAMILY if name not in ("c1c2c3c40_maxpool", "c1c2c3c40_dilated")]
WIDTHS = (8, 16, 20, 40)


def convolutions(network: nn.Module) -> Iterator[nn.Conv2d]:
    return (module for module in network.modules() if isinstance(module, nn.Conv2d))


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", FAMILY)
def test_registered_networks_have_the_published_size_and_give_logits(name: str) -> None:
    network = create(name)
    assert parameters(network) == PARAMETERS[name] < 200_000
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("name", FAMILY)
def test_any_classes_channels_norm_and_size(name: str) -> None:
    network = create(name, num_classes=7, in_channels=1, norm=nn.InstanceNorm2d)
    assert network(torch.zeros(2, 1, 40, 40)).shape == (2, 7)
    assert not any(isinstance(module, nn.BatchNorm2d | nn.LayerNorm) for module in network.modules())


@pytest.mark.parametrize("name", FAMILY)
def test_has_depthwise_separable_dilated_and_global_average_pooling(name: str) -> None:
    network = create(name)
    convs = list(convolutions(network))
    depthwise = [conv.groups == conv.in_channels > 1 for conv in convs]
    pointwise = [conv.kernel_size == (1, 1) for conv in convs]
    assert any(a and b for a, b in zip(depthwise, pointwise[1:], strict=False))
    assert any(min(conv.dilation) > 1 for conv in convs)
    pools = [module for module in network.modules() if isinstance(module, nn.AdaptiveAvgPool2d)]
    assert [pool.output_size for pool in pools] == [1]


@pytest.mark.parametrize("name", STRIDED)
def test_exactly_three_strided_convolutions_and_no_other_pooling(name: str) -> None:
    network = create(name)
    strided = [conv for conv in convolutions(network) if conv.stride != (1, 1)]
    assert [(conv.kernel_size, conv.stride) for conv in strided] == [((3, 3), (2, 2))] * 3
    assert not any(isinstance(module, nn.MaxPool2d | nn.AvgPool2d) for module in network.modules())


def feature_sizes(network: nn.Module) -> list[int]:
    sizes = []
    x: Tensor = torch.zeros(1, 3, 32, 32)
    for block in (network.c1, network.c2, network.c3, network.c4):
        x = block(x)
        sizes.append(x.shape[-1])
    return sizes


def test_dilated_has_no_stride_and_no_pooling() -> None:
    network = create("c1c2c3c40_dilated")
    assert all(conv.stride == (1, 1) for conv in convolutions(network))
    assert not any(isinstance(module, nn.MaxPool2d | nn.AvgPool2d) for module in network.modules())
    assert feature_sizes(network) == [32] * 4


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


@pytest.mark.parametrize("name", ["c1c2c3c40", "c1c2c3c40_mirror"])
def test_a_blur_precedes_each_strided_convolution(name: str) -> None:
    layers = [m for m in create(name, down="blur").modules() if isinstance(m, nn.Conv2d | Blur)]
    strided = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Conv2d) and layer.stride != (1, 1)]
    assert len(strided) == 3
    assert [place for place, layer in enumerate(layers) if isinstance(layer, Blur)] == [place - 1 for place in strided]


def test_dilation_computes_what_stride_computes_and_more() -> None:
    """Away from the border, every 8th pixel of the dilated form's features is a pixel of the strided form's."""
    torch.manual_seed(0)
    strided, dilated = (create(name, widths=WIDTHS).eval() for name in ("c1c2c3c40", "c1c2c3c40_dilated"))
    dilated.load_state_dict(strided.state_dict())
    x = torch.randn(1, 3, 192, 192)
    features = [nn.Sequential(net.c1, net.c2, net.c3, net.c4)(x) for net in (strided, dilated)]
    torch.testing.assert_close(features[0][..., 9:-9, 9:-9], features[1][..., ::8, ::8][..., 9:-9, 9:-9])


def test_reference_is_the_table_of_the_assignment() -> None:
    network = create("c1c2c3c40_reference")
    assert feature_sizes(network) == [32, 15, 7, 4]
    field, jump, fields = 1, 1, []
    for block in (network.c1, network.c2, network.c3, network.c4):
        for conv in convolutions(block):
            field += (conv.kernel_size[0] - 1) * conv.dilation[0] * jump
            jump *= conv.stride[0]
            fields.append(field)
    # C1 ends after 3 convolutions, C2 after 5 more, C3 after 5; C4's last but one and last are 121 and 137
    assert [fields[i] for i in (2, 7, 12, -2, -1)] == [13, 33, 57, 121, 137]


@pytest.mark.parametrize("name", [*STRIDED, "c1c2c3c40_dilated"])  # a gradient passes max-pooling at one pixel of four
def test_the_logits_of_all_but_the_reference_depend_on_every_pixel(name: str) -> None:
    network = create(name, norm=lambda channels: nn.Identity(), act=nn.Identity).double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.0)
    x = torch.ones(1, 3, 32, 32, dtype=torch.double, requires_grad=True)
    network(x).sum().backward()
    reached = int((x.grad[0].abs().sum(0) > 0).sum())
    assert reached == (256 if name == "c1c2c3c40_reference" else 1024)


@pytest.mark.parametrize("head", ["fc", "conv3x3"])
def test_heads(head: str) -> None:
    network = create("c1c2c3c40", head=head, num_classes=3)
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_only_the_centre_of_the_3x3_head_sees_data() -> None:
    network = create("c1c2c3c40_reference")
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    taps = network.head.conv.weight.grad.abs().sum((0, 1)) > 0
    assert taps.nonzero().tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "conv1x1"}, "unknown head 'conv1x1'; valid: fc, conv3x3"),
        ({"widths": [1, 2, 3]}, r"widths \[1, 2, 3\]: valid are 4 positive numbers, for C1 to C4"),
        ({"width": 0.001}, r"width 0.001 scales the widths \[32, 48, 80, 256\] to \[0, 0, 0, 0\]"),
        ({"depths": [1, 1, 1]}, r"depths \[1, 1, 1\]: valid are 4 numbers from 0 to 100, for C1 to C4"),
        ({"depths": [1, 1, 1, 101]}, r"depths \[1, 1, 1, 101\]"),
        ({"down": "jump"}, "unknown transition 'jump'; valid: stride, blur, maxpool, dilation"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        create("c1c2c3c40", **options)


def test_depth_and_width_change_the_network() -> None:
    assert parameters(create("c1c2c3c40", depths=[2, 1, 1, 1])) > parameters(create("c1c2c3c40"))
    assert parameters(create("c1c2c3c40", width=0.5)) < 0.3 * parameters(create("c1c2c3c40"))
