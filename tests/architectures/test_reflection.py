import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from architectures import ArchitectureError, create
from architectures.c1c2c3c40 import c1c2c3c40
from architectures.reflection import ReflectionConv2d, ReflectionLinear, reflection_equivariant
from framework.inspection import input_coverage, multiply_adds, receptive_field

FORMS = {
    "dense": {},
    "dilated": {"dilation": 2, "padding": 2},
    "strided": {"stride": 2},
    "with bias": {"bias": True},
    "depthwise": {"groups": 6},
    "two depthwise filters": {"groups": 6, "out_channels": 12},
    "grouped": {"groups": 2},
    "wide": {"kernel_size": (3, 5), "padding": (1, 2)},
    "pointwise": {"kernel_size": 1, "padding": 0},
    "reflection padding": {"padding_mode": "reflect"},
}


def plain(**settings: object) -> nn.Conv2d:
    torch.manual_seed(0)
    given = {"in_channels": 6, "out_channels": 6, "kernel_size": 3, "padding": 1, "bias": False, **settings}
    return nn.Conv2d(**given, dtype=torch.float64)  # type: ignore[arg-type]


def images(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def reflected(features: Tensor) -> Tensor:
    """What the paired features of an image are for the reflected image: reflected, the channels of a pair swapped."""
    first, partners = features.flip(3).chunk(2, 1)
    return torch.cat([partners, first], 1)


def relative_difference(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / one.norm()).item()


@pytest.mark.parametrize("name", FORMS)
def test_reflecting_the_input_reflects_the_output_and_swaps_its_pairs(name: str) -> None:
    conv, x = plain(**FORMS[name]), images(2, 6, 9, 9)
    equivariant = ReflectionConv2d(conv).double()
    assert equivariant(x).shape == conv(x).shape
    assert relative_difference(equivariant(reflected(x)), reflected(equivariant(x))) < 1e-12
    assert relative_difference(conv(reflected(x)), reflected(conv(x))) > 0.5  # the control


@pytest.mark.parametrize("name", ["dense", "strided", "with bias", "wide"])
def test_a_lifting_convolution_makes_pairs_of_an_image(name: str) -> None:
    conv, x = plain(in_channels=3, **FORMS[name]), images(2, 3, 9, 9)
    lifting = ReflectionConv2d(conv, lifting=True).double()
    assert relative_difference(lifting(x.flip(3)), reflected(lifting(x))) < 1e-12
    assert relative_difference(conv(x.flip(3)), reflected(conv(x))) > 0.5  # the control


@pytest.mark.parametrize("name", FORMS)
def test_the_first_half_of_the_output_is_that_of_the_plain_convolution(name: str) -> None:
    conv, x = plain(**FORMS[name]), images(2, 6, 9, 9)
    equivariant = ReflectionConv2d(conv).double()
    assert torch.equal(equivariant(x).chunk(2, 1)[0], conv(x).chunk(2, 1)[0])
    assert equivariant.weight.numel() * 2 == conv.weight.numel()


def test_the_expanded_weight_is_the_one_written_out_by_hand() -> None:
    conv = ReflectionConv2d(plain(in_channels=4, out_channels=4))
    a, b = conv.weight.chunk(2, 1)
    by_hand = torch.cat([torch.cat([a, b], 1), torch.cat([b.flip(3), a.flip(3)], 1)])
    assert torch.equal(conv.expanded_weight(), by_hand)


def test_both_channels_of_a_pair_train_the_same_kernel() -> None:
    conv, x = ReflectionConv2d(plain()).double(), images(2, 6, 9, 9)
    weight = nn.Parameter(conv.expanded_weight().detach())
    F.conv2d(x, weight, padding=1).square().sum().backward()
    conv(x).square().sum().backward()
    assert weight.grad is not None and conv.weight.grad is not None
    first, partners = weight.grad.chunk(2)
    torch.testing.assert_close(conv.weight.grad, first + partners.flip(3).roll(3, 1))
    assert partners.norm() > 0.1 * first.norm()


def test_a_reflection_linear_layer_sees_the_mean_of_each_pair() -> None:
    torch.manual_seed(0)
    layer, x = ReflectionLinear(nn.Linear(8, 3)), torch.randn(5, 8)
    first, partners = x.chunk(2, 1)
    torch.testing.assert_close(layer(x), F.linear((first + partners) / 2, layer.weight, layer.bias))
    assert torch.equal(layer(x), layer(torch.cat([partners, first], 1)))
    assert layer.weight.shape == (3, 4)


def normalized(*, down: str, equivariant: bool) -> nn.Module:
    torch.manual_seed(0)
    network = c1c2c3c40(widths=(8, 12, 16, 24), depths=(0, 1, 1, 0), down=down)  # type: ignore[arg-type]
    network = (reflection_equivariant(network) if equivariant else network).double()
    network(images(16, 3, 33, 33))  # sets the running statistics
    return network.eval()


@pytest.mark.parametrize(("down", "size"), [("dilation", 32), ("dilation", 33), ("stride", 33)])
def test_an_image_and_its_reflection_have_close_logits(down: str, size: int) -> None:
    x = images(4, 3, size, size)
    differences = [
        relative_difference(network(x) - network(x).mean(0), network(x.flip(3)) - network(x).mean(0))
        for network in (normalized(down=down, equivariant=True), normalized(down=down, equivariant=False))
    ]
    # The running statistics of a pair's channels differ, as a batch is not its own reflection.
    assert differences[0] < 0.1 < 0.5 < differences[1]


def test_without_norms_their_logits_are_equal() -> None:
    network = create("c1c2c3c40_mirror", down="blur", norm=lambda channels: nn.Identity()).double()
    x = images(4, 3, 33, 33)
    assert relative_difference(network(x), network(x.flip(3))) < 1e-12
    unpaired = c1c2c3c40(down="blur", norm=lambda channels: nn.Identity()).double()  # the control
    assert relative_difference(unpaired(x), unpaired(x.flip(3))) > 1e-3


def test_strides_on_even_sizes_are_not_equivariant() -> None:
    strided = ReflectionConv2d(plain(stride=2)).double()
    x = images(2, 6, 8, 8)
    assert relative_difference(strided(reflected(x)), reflected(strided(x))) > 0.1


def test_the_registered_network_has_half_the_parameters_of_its_widths_at_the_same_cost() -> None:
    network, shape = create("c1c2c3c40_mirror"), (3, 32, 32)
    unpaired = c1c2c3c40(widths=(32, 96, 112, 384), depths=(0, 1, 1, 0), separable_c3=True, act=nn.SiLU)
    counts = [sum(p.numel() for p in each.parameters()) for each in (network, unpaired)]
    assert counts[0] == 197_482 < 0.51 * counts[1]
    # Of the multiply-adds only the classifier's are halved: it sees the mean of each pair.
    assert multiply_adds(network, shape) == 62_552_704 == multiply_adds(unpaired, shape) - 192 * 10
    assert receptive_field(network, shape).network == receptive_field(unpaired, shape).network
    assert input_coverage(network, shape) == 1


def test_each_blur_adds_to_the_receptive_field() -> None:
    shape, blurred = (3, 32, 32), create("c1c2c3c40_mirror", down="blur")
    assert receptive_field(create("c1c2c3c40_mirror"), shape).network.size == (65, 65)
    assert receptive_field(blurred, shape).network.size == (65 + 2 * (1 + 2 + 4),) * 2
    assert input_coverage(blurred, shape) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"in_channels": 5}, "in_channels 5"), ({"out_channels": 5}, "out_channels 5"), ({"groups": 3}, "groups 3")],
)
def test_odd_numbers_of_channels_and_groups_are_errors(settings: dict[str, int], named: str) -> None:
    with pytest.raises(ArchitectureError, match=f"{named} of Conv2d.* is odd"):
        ReflectionConv2d(plain(**settings))


def test_odd_widths_and_features_are_errors() -> None:
    with pytest.raises(ArchitectureError, match="out_channels 33"):
        create("c1c2c3c40_mirror", widths=(33, 96, 112, 384))
    with pytest.raises(ArchitectureError, match="odd number of features"):
        ReflectionLinear(nn.Linear(5, 2))


def test_a_network_without_exactly_one_linear_layer_is_an_error() -> None:
    with pytest.raises(ArchitectureError, match="exactly one linear layer, the classifier; found 0"):
        reflection_equivariant(c1c2c3c40(head="conv3x3"))
    with pytest.raises(ArchitectureError, match=r"found 2: \['1', '2'\]"):
        reflection_equivariant(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Linear(4, 2)))
