from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from framework.errors import EmberfieldError
from framework.inspection import input_coverage, receptive_field
from framework.inspection.coverage import coverage_mask
from tests.framework.inspection.written_down import written_down_network


def size(*layers: nn.Module, shape: tuple[int, int, int] = (3, 32, 32)) -> tuple[int, int]:
    field = receptive_field(nn.Sequential(*layers), shape)
    assert field.method == "exact"
    return field.network.size


def test_written_down_network() -> None:
    field = receptive_field(written_down_network(), (3, 32, 32))
    by_name = {layer.name: layer for layer in field.layers}
    ends = [by_name[name] for name in ("c1.2", "c2.2.pointwise", "c3.2.pointwise", "c4.2", "c4.3")]
    assert [end.size for end in ends] == [(n, n) for n in (13, 33, 57, 121, 137)]
    assert [end.map_size for end in ends] == [(n, n) for n in (32, 15, 7, 4, 4)]
    assert [end.jump[0] for end in ends] == [1, 2, 4, 8, 8]
    assert field.network == by_name["c4.3"]
    assert by_name["head.conv"].size == (32, 32)


def test_written_down_network_is_blind_to_three_quarters() -> None:
    mask = coverage_mask(written_down_network(), (3, 32, 32))
    assert mask.sum() == 256
    assert mask[1::2, 1::2].all()
    assert input_coverage(written_down_network(), (3, 32, 32)) == 0.25


# The figures of Araujo et al. 2019 (Distill, table of networks) for the variants that torchvision has too, of which
# AlexNet is the one of 2014 and the last pooling belongs to the feature map.
@pytest.mark.parametrize(
    ("name", "image", "published"), [("alexnet", 224, 195), ("vgg16", 224, 212), ("inception_v3", 299, 1311)]
)
def test_published_figures(name: str, image: int, published: int) -> None:
    options = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        network = getattr(torchvision.models, name)(weights=None, **options)
    field = receptive_field(network, (3, image, image))
    assert (field.method, field.network.size) == ("exact", (published, published))


def test_mobilenet_v1_has_its_published_field() -> None:
    """Araujo et al. 2019: 315 for the strides of Howard et al. 2017, table 1."""
    strides = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    assert size(*(nn.Conv2d(3, 3, 3, s, 1, groups=3) for s in strides), shape=(3, 224, 224)) == (315, 315)


def test_each_axis_has_its_own_kernel_stride_dilation_and_padding() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 2, (3, 5), (2, 1), (0, 2), (1, 2)), nn.Conv2d(2, 2, (1, 3), padding=(0, 1)))
    last = receptive_field(layers, (3, 32, 32)).network
    assert last.size == (3, 11)
    assert last.jump == (Fraction(2), Fraction(1))
    assert last.offset == (1.0, 2.0)
    assert last.map_size == (15, 28)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3)], 3 + 1 + 4),
        ([nn.AvgPool2d(3, 2), nn.Conv2d(3, 4, 3)], 3 + 4),
        ([nn.MaxPool2d(3, 1, 1, dilation=2)], 5),
        ([nn.AdaptiveAvgPool2d(8), nn.Conv2d(3, 4, 3)], 12),
        ([nn.AdaptiveAvgPool2d(5)], 8),  # 32 positions to 5: the windows are 7 or 8 pixels wide
        ([nn.Conv2d(3, 4, 2, 2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3)], 4),
        ([nn.Conv2d(3, 4, 2, 2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 4, 3, padding=1)], 6),
        ([nn.Conv2d(3, 4, 2, 2), nn.ConvTranspose2d(4, 4, 3, 2), nn.Conv2d(4, 4, 3)], 6),
        ([nn.Conv2d(3, 16, 3), nn.PixelShuffle(2), nn.Conv2d(4, 4, 3)], 3 + 1),
        ([nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 3)], 6),
        ([nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3)], 3),
    ],
)
def test_operators(layers: list[nn.Module], expected: int) -> None:
    assert size(*layers) == (expected, expected)


ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.RReLU),
    *(nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.LogSigmoid, nn.Softsign),
    *(nn.Tanhshrink, nn.Hardshrink, nn.Softshrink, nn.Dropout, nn.Dropout2d, nn.Softmax2d),
)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_followed(activation: type[nn.Module]) -> None:
    assert size(nn.Conv2d(3, 4, 3), activation()) == (3, 3)


def test_upsampling_has_half_a_jump() -> None:
    last = receptive_field(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=2)), (3, 8, 8)).network
    assert last.jump == (Fraction(1, 2), Fraction(1, 2))


class SqueezeExcitation(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1))


def test_squeeze_and_excitation_does_not_count() -> None:
    body = [nn.Conv2d(3, 4, 3), SqueezeExcitation(), nn.Conv2d(4, 4, 3)]
    network = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    last = receptive_field(network, (3, 32, 32)).network
    assert (last.name, last.size) == ("2", (5, 5))


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm((4, 30, 30))])
def test_statistics_of_a_norm_do_not_count(norm: nn.Module) -> None:
    assert size(nn.Conv2d(3, 4, 3), norm, nn.Conv2d(4, 4, 3)) == (5, 5)


class ChannelsLast(nn.Module):
    """A linear layer over the channels, as in ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        last: Tensor = self.linear(self.norm(x.permute(0, 2, 3, 1)))
        return last.permute(0, 3, 1, 2)


def test_positions_are_followed_through_permutations_and_shuffles() -> None:
    class Shuffle(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(1, 2, 2, *x.shape[2:]).transpose(1, 2).reshape(x.shape)

    assert size(nn.Conv2d(3, 4, 3), ChannelsLast(), Shuffle(), nn.Conv2d(4, 4, (3, 1))) == (5, 3)


@pytest.mark.parametrize("kind", [nn.AvgPool2d(8), nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), nn.Flatten()])
def test_the_network_ends_where_its_feature_map_does(kind: nn.Module) -> None:
    assert size(nn.Conv2d(3, 4, 3, 4, 1), kind) == (3, 3)


@pytest.mark.parametrize("kernels", [(3, 5), (5, 3)])
def test_of_branches_that_are_pooled_apart_the_larger_field_counts(kernels: tuple[int, int]) -> None:
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleList(nn.Conv2d(3, 4, kernel) for kernel in kernels)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([branch(x).mean((2, 3)) for branch in self.branches], 1)

    assert size(Apart()) == (5, 5)


class LooksAtTheImage(nn.Module):
    """A branch on the values, which no trace can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        near: Tensor = self.near(self.near(x)[:, :3])
        return near if x.sum() < 1e9 else torch.add(near, self.far(x))


def test_a_network_that_looks_at_the_values_says_so() -> None:
    field = receptive_field(LooksAtTheImage(), (3, 32, 32))
    assert (field.method, field.network.size) == ("one pass", (5, 5))


class Rolled(nn.Module):
    """Rolls a feature map along its rows, which is not followed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.conv2d(x, self.weight, padding=1))
        return F.max_pool2d(torch.roll(x, 1, 3), 3, 1).mean((2, 3))


def test_a_network_that_cannot_be_followed_is_measured_and_says_why() -> None:
    field = receptive_field(Rolled(), (3, 32, 32))
    assert (field.method, field.network.size) == ("gradients", (5, 5))
    assert field.reason is not None
    assert "roll" in field.reason
    assert input_coverage(Rolled(), (3, 32, 32)) == 1.0


class Written(nn.Module):
    """Writes a feature map into an empty one, row by row, through views of it."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.conv = rows, nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        out[:, :, :: self.rows] = self.conv(x)[:, :, :: self.rows]
        return out


def test_writing_through_a_view_is_measured() -> None:
    field = receptive_field(Written(1), (3, 16, 16))
    assert (field.method, field.network.size) == ("gradients", (3, 3))
    assert input_coverage(Written(4), (3, 16, 16)) == 11 / 16  # rows 0, 4, 8, 12 and their neighbours


def test_zeros_of_the_same_shape_read_nothing() -> None:
    class Widened(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, torch.zeros_like(x)], 1)

    assert size(nn.Conv2d(3, 4, 3), Widened(), nn.Conv2d(8, 4, 3)) == (5, 5)


def test_the_model_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    receptive_field(network, (3, 8, 8))
    assert network.training
    assert network[0].weight.device.type == "cpu"
    assert not network[0]._forward_hooks
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("shape", [(3, 32), (3, 0, 32), (3, 32, 2.5)])
def test_wrong_shapes(shape: tuple[int, int, int]) -> None:
    with pytest.raises(EmberfieldError, match=r"three positive integers"):
        receptive_field(nn.Conv2d(3, 4, 3), shape)


def test_a_shape_that_the_model_refuses() -> None:
    with pytest.raises(EmberfieldError, match=r"does not run on an image of shape \(1, 8, 8\)"):
        receptive_field(nn.Conv2d(3, 4, 3), (1, 8, 8))


def test_an_output_that_ignores_the_image() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(1, 10)

    with pytest.raises(EmberfieldError, match="does not depend on the image"):
        receptive_field(Constant(), (3, 8, 8))
