import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from architectures import create
from architectures.c1c2c3c40 import c1c2c3c40
from architectures.mirror import MirrorConv2d, MirrorLinear, mirrored
from architectures.registry import ArchitectureError
from framework.config import ConstraintsConfig
from framework.inspection import check, input_coverage, multiply_adds, parameter_count, receptive_field

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
    "reflecting": {"padding_mode": "reflect"},
}

EIGHTS = {"in_channels": 16, "out_channels": 16}

TURNED = {name: FORMS[name] for name in ("dense", "dilated", "strided", "with bias", "pointwise")} | {
    "depthwise": {"groups": 16},
    "two depthwise filters": {"groups": 16, "out_channels": 32},
    "grouped": {"groups": 8},
}


def plain(seed: int = 0, **settings: object) -> nn.Conv2d:
    torch.manual_seed(seed)
    given = {"in_channels": 6, "out_channels": 6, "kernel_size": 3, "padding": 1, "bias": False, **settings}
    return nn.Conv2d(**given, dtype=torch.float64)  # type: ignore[arg-type]


def images(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def image_mirrored(maps: Tensor) -> Tensor:
    """What paired maps of an image are for its mirror image: mirrored, the pairs swapped."""
    first, partners = maps.flip(3).chunk(2, 1)
    return torch.cat([partners, first], 1)


def image_turned(maps: Tensor, quarters: int) -> Tensor:
    """What maps in eights of an image are for the image turned counterclockwise: turned, and gone round in fours."""
    first, partners = (half.unflatten(1, (4, -1)) for half in maps.chunk(2, 1))
    round_ = torch.cat([first.roll(quarters, 1), partners.roll(-quarters, 1)], 1).flatten(1, 2)
    return torch.rot90(round_, quarters, (2, 3))


def relative_difference(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / one.norm()).item()


@pytest.mark.parametrize("name", FORMS)
def test_mirroring_the_input_mirrors_the_output_and_swaps_its_pairs(name: str) -> None:
    conv, x = plain(**FORMS[name]), images(2, 6, 9, 9)
    tied = MirrorConv2d(conv).double()
    assert tied(x).shape == conv(x).shape
    assert relative_difference(tied(image_mirrored(x)), image_mirrored(tied(x))) < 1e-12
    assert relative_difference(conv(image_mirrored(x)), image_mirrored(conv(x))) > 0.5  # the control


@pytest.mark.parametrize("name", ["dense", "strided", "with bias", "wide"])
def test_the_first_convolution_makes_pairs_of_an_image(name: str) -> None:
    conv, x = plain(in_channels=3, **FORMS[name]), images(2, 3, 9, 9)
    lifted = MirrorConv2d(conv, lifts=True).double()
    assert relative_difference(lifted(x.flip(3)), image_mirrored(lifted(x))) < 1e-12
    assert relative_difference(conv(x.flip(3)), image_mirrored(conv(x))) > 0.5  # the control


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("name", TURNED)
def test_turning_the_input_turns_the_output_and_its_eights(name: str, quarters: int) -> None:
    conv, x = plain(**EIGHTS | TURNED[name]), images(2, 16, 9, 9)
    tied = MirrorConv2d(conv, turned=True).double()
    assert tied(x).shape == conv(x).shape
    assert tied.weight.numel() * 8 == conv.weight.numel()
    assert relative_difference(tied(image_turned(x, quarters)), image_turned(tied(x), quarters)) < 1e-12
    assert relative_difference(tied(image_mirrored(x)), image_mirrored(tied(x))) < 1e-12
    in_pairs = MirrorConv2d(conv).double()  # the control
    assert relative_difference(in_pairs(image_turned(x, quarters)), image_turned(in_pairs(x), quarters)) > 0.3


@pytest.mark.parametrize("name", ["dense", "strided", "with bias"])
def test_the_first_convolution_makes_eights_of_an_image(name: str) -> None:
    x = images(2, 3, 9, 9)
    lifted = MirrorConv2d(plain(in_channels=3, out_channels=16, **TURNED[name]), lifts=True, turned=True).double()
    for quarters in range(4):
        turned = torch.rot90(x, quarters, (2, 3))
        assert relative_difference(lifted(turned), image_turned(lifted(x), quarters)) < 1e-12
    assert relative_difference(lifted(x.flip(3)), image_mirrored(lifted(x))) < 1e-12


def test_pairs_may_follow_on_eights() -> None:
    eights, pairs = MirrorConv2d(plain(**EIGHTS), turned=True).double(), MirrorConv2d(plain(in_channels=16)).double()
    x = images(2, 16, 9, 9)
    assert relative_difference(pairs(eights(image_mirrored(x))), image_mirrored(pairs(eights(x)))) < 1e-12


def test_blocks_in_eights_turn_with_the_image() -> None:
    settings = {"widths": (8, 16, 24, 8), "norm": lambda channels: nn.Identity()}  # each map has a norm of its own
    eights, pairs = (
        nn.Sequential(*list(create("c1c2c3c40_mirror", turned=turned, **settings).children())[:3]).double()
        for turned in (("c1", "c2", "c3"), ())
    )
    x = images(2, 3, 33, 33)
    for quarters in (1, 2, 3):
        turned = torch.rot90(x, quarters, (2, 3))
        assert relative_difference(eights(turned), image_turned(eights(x), quarters)) < 1e-10
        assert relative_difference(pairs(turned), image_turned(pairs(x), quarters)) > 0.3  # the control


@pytest.mark.parametrize("name", FORMS)
def test_the_first_half_of_the_output_is_the_plain_convolutions(name: str) -> None:
    conv, x = plain(**FORMS[name]), images(2, 6, 9, 9)
    tied = MirrorConv2d(conv).double()
    assert torch.equal(tied(x).chunk(2, 1)[0], conv(x).chunk(2, 1)[0])
    assert tied.weight.numel() * 2 == conv.weight.numel()


def test_kernels_are_those_written_out_by_hand() -> None:
    tied = MirrorConv2d(plain(in_channels=4, out_channels=4))
    a, b = tied.weight.chunk(2, 1)
    by_hand = torch.cat([torch.cat([a, b], 1), torch.cat([b.flip(3), a.flip(3)], 1)])
    assert torch.equal(tied.kernels(), by_hand)
    depthwise = MirrorConv2d(plain(groups=6))
    assert torch.equal(depthwise.kernels(), torch.cat([depthwise.weight, depthwise.weight.flip(3)]))


def test_both_halves_train_the_same_kernels() -> None:
    tied, x = MirrorConv2d(plain()).double(), images(2, 6, 9, 9)
    weight = nn.Parameter(tied.kernels().detach())
    F.conv2d(x, weight, padding=1).square().sum().backward()
    tied(x).square().sum().backward()
    assert weight.grad is not None and tied.weight.grad is not None
    first, partners = weight.grad.chunk(2)
    torch.testing.assert_close(tied.weight.grad, first + partners.flip(3).roll(3, 1))
    assert partners.norm() > 0.1 * first.norm()


def test_a_linear_layer_of_pairs_is_one_of_their_means() -> None:
    torch.manual_seed(0)
    layer, x = MirrorLinear(nn.Linear(8, 3)), torch.randn(5, 8)
    first, partners = x.chunk(2, 1)
    torch.testing.assert_close(layer(x), F.linear((first + partners) / 2, layer.weight, layer.bias))
    assert torch.equal(layer(x), layer(torch.cat([partners, first], 1)))
    assert layer.weight.shape == (3, 4)


def whole(*, down: str, tied: bool) -> nn.Module:
    torch.manual_seed(0)
    network = c1c2c3c40(widths=(8, 12, 16, 24), depths=(0, 1, 1, 0), down=down)  # type: ignore[arg-type]
    network = (mirrored(network) if tied else network).double()
    network(images(16, 3, 33, 33))  # so that the norms know of activations
    return network.eval()


@pytest.mark.parametrize(("down", "size"), [("dilation", 32), ("dilation", 33), ("stride", 33)])
def test_a_network_classifies_an_image_and_its_mirror_image_alike(down: str, size: int) -> None:
    x = images(4, 3, size, size)
    differences = [
        relative_difference(network(x) - network(x).mean(0), network(x.flip(3)) - network(x).mean(0))
        for network in (whole(down=down, tied=True), whole(down=down, tied=False))
    ]
    # The statistics of a batch are not quite those of its mirror images, so the running ones tell a pair apart.
    assert differences[0] < 0.1 < 0.5 < differences[1]


def test_without_norms_a_blurred_network_classifies_them_exactly_alike() -> None:
    network = create("c1c2c3c40_mirror", down="blur", norm=lambda channels: nn.Identity()).double()
    x = images(4, 3, 33, 33)
    assert relative_difference(network(x), network(x.flip(3))) < 1e-12
    untied = c1c2c3c40(down="blur", norm=lambda channels: nn.Identity()).double()  # the control
    assert relative_difference(untied(x), untied(x.flip(3))) > 1e-3


def test_strides_on_even_sizes_see_another_grid_in_the_mirror() -> None:
    tied = MirrorConv2d(plain(stride=2)).double()
    x = images(2, 6, 8, 8)
    assert relative_difference(tied(image_mirrored(x)), image_mirrored(tied(x))) > 0.1


def test_the_registered_network_keeps_the_budget_at_twice_the_multiply_adds_of_its_size() -> None:
    network, shape = create("c1c2c3c40_mirror"), (3, 32, 32)
    untied = c1c2c3c40(widths=(32, 96, 112, 384), depths=(0, 1, 1, 0), separable_c3=True, act=nn.SiLU)
    assert parameter_count(network) == 197_482 < 200_000 < 390_000 < parameter_count(untied)
    # The head alone has half of the multiply-adds too: it sees the mean of a pair.
    assert multiply_adds(untied, shape) - multiply_adds(network, shape) == 192 * 10
    assert multiply_adds(network, shape) == 62_552_704
    sheet = ConstraintsConfig(strided_convs=3, requires=("depthwise_separable", "dilated", "global_average_pooling"))
    assert all(finding.holds for finding in check(network, shape, sheet))
    assert receptive_field(network, shape).network == receptive_field(untied, shape).network
    assert input_coverage(network, shape) == 1


def test_with_a_blur_the_sheet_still_holds_and_the_field_grows_by_what_each_blur_sees() -> None:
    plain_, blurred = create("c1c2c3c40_mirror"), create("c1c2c3c40_mirror", down="blur")
    shape = (3, 32, 32)
    sheet = ConstraintsConfig(strided_convs=3, requires=("depthwise_separable", "dilated", "global_average_pooling"))
    assert all(finding.holds for finding in check(blurred, shape, sheet))
    assert receptive_field(plain_, shape).network.size == (65, 65)
    assert receptive_field(blurred, shape).network.size == (65 + 2 * (1 + 2 + 4),) * 2
    assert input_coverage(blurred, shape) == 1


def test_the_registered_network_of_eights_keeps_the_budget_too() -> None:
    network, shape = create("c1c2c3c40_dihedral"), (3, 32, 32)
    assert parameter_count(network) == 197_156
    assert multiply_adds(network, shape) == 241_295_008
    sheet = ConstraintsConfig(strided_convs=3, requires=("depthwise_separable", "dilated", "global_average_pooling"))
    assert all(finding.holds for finding in check(network, shape, sheet))
    assert receptive_field(network, shape).network == receptive_field(create("c1c2c3c40_mirror"), shape).network


@pytest.mark.parametrize(
    ("settings", "count"), [({"in_channels": 5}, "in_channels 5"), ({"out_channels": 5}, "out_channels 5")]
)
def test_an_odd_number_of_maps_is_an_error(settings: dict[str, int], count: str) -> None:
    with pytest.raises(ArchitectureError, match=count):
        MirrorConv2d(plain(**settings))


def test_what_makes_no_eights_is_an_error() -> None:
    with pytest.raises(ArchitectureError, match=r"out_channels 12 .* no multiple of 8"):
        MirrorConv2d(plain(in_channels=16, out_channels=12), turned=True)
    with pytest.raises(ArchitectureError, match="groups 2"):
        MirrorConv2d(plain(groups=2, **EIGHTS), turned=True)
    with pytest.raises(ArchitectureError, match=r"\(3, 5\) are not square"):
        MirrorConv2d(plain(kernel_size=(3, 5), **EIGHTS), turned=True)
    with pytest.raises(ArchitectureError, match="out_channels 36"):
        create("c1c2c3c40_mirror", widths=(36, 96, 112, 384), turned=("c1",))


@pytest.mark.parametrize("turned", [("c2",), ("c1", "c3"), ("c1", "c5"), ("stem",)])
def test_eights_in_other_blocks_than_the_first_ones_are_an_error(turned: tuple[str, ...]) -> None:
    with pytest.raises(ArchitectureError, match=r"the first of the blocks \['c1', 'c2', 'c3', 'c4'\]"):
        create("c1c2c3c40_mirror", widths=(32, 96, 112, 384), turned=turned)


def test_odd_groups_widths_and_features_are_errors() -> None:
    with pytest.raises(ArchitectureError, match="groups 3"):
        MirrorConv2d(plain(groups=3))
    with pytest.raises(ArchitectureError, match="out_channels 33"):
        create("c1c2c3c40_mirror", widths=(33, 96, 112, 384))
    with pytest.raises(ArchitectureError, match="odd number of features"):
        MirrorLinear(nn.Linear(5, 2))


def test_a_network_whose_head_would_be_paired_is_refused() -> None:
    for head in ("conv1x1", "conv3x3"):
        with pytest.raises(ArchitectureError, match="one linear layer, the head, not 0"):
            mirrored(c1c2c3c40(head=head))  # type: ignore[arg-type]
    with pytest.raises(ArchitectureError, match="not 2: "):
        mirrored(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Linear(4, 2)))


def test_copies_and_state_dicts_hold_all_there_is() -> None:
    torch.manual_seed(0)
    network, other = create("c1c2c3c40_mirror").eval(), create("c1c2c3c40_mirror").eval()
    x = torch.rand(2, 3, 32, 32)
    assert not torch.equal(network(x), other(x))
    other.load_state_dict(network.state_dict())
    assert torch.equal(network(x), other(x))
    assert torch.equal(network(x), copy.deepcopy(network)(x))
