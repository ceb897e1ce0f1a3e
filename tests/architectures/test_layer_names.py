import functools

import pytest
import torch
from torch import nn

from architectures import ArchitectureError, create, describe, option_types, options, register
from architectures import registry as registry_module
from architectures.primitives import ACTIVATIONS, NORMS, LayerNorm2d, Norm, group_norm


@pytest.mark.parametrize("norm", sorted(NORMS))
def test_every_normalisation_makes_each_channel_or_image_standard(norm: str) -> None:
    dims = {"batch": (0, 2, 3), "instance": (2, 3), "layer": (1, 2, 3), "layer2d": (1,)}
    x = torch.randn(4, 8, 5, 5) * 3 + 1
    y = NORMS[norm](8)(x)
    if norm == "group":
        y, over = y.view(4, 2, 4, 5, 5), (2, 3, 4)
    else:
        over = dims[norm]
    torch.testing.assert_close(y.mean(over), torch.zeros_like(y.mean(over)), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(over, correction=0), torch.ones_like(y.mean(over)), atol=1e-3, rtol=0)
    assert sum(p.numel() for p in NORMS[norm](8).parameters()) == 16


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (3, 1), (7, 1), (8, 2), (10, 2), (16, 4), (24, 6), (80, 20), (128, 32), (512, 32)]
)
def test_a_group_has_at_least_four_channels_and_there_are_at_most_32(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups


@pytest.mark.parametrize("name", ["c1c2c3c40", "c1c2c3c40_mirror", "c1c2c3c40_gated_mirror", "resnet18", "davidnet"])
def test_a_name_is_the_layer_itself(name: str) -> None:
    with torch.device("meta"):
        by_name = create(name, norm="layer2d", act="gelu")
        by_layer = create(name, norm=LayerNorm2d, act=nn.GELU)
    assert str(by_name) == str(by_layer)
    assert "LayerNorm2d" in str(by_name) and "GELU" in str(by_name)


def test_options_and_types_show_the_names() -> None:
    assert options("c1c2c3c40")["norm"] == "batch" and options("c1c2c3c40_quick")["act"] == "silu"
    assert option_types("c1c2c3c40")["act"] == " | ".join(map(repr, ACTIVATIONS))
    assert "act='silu'" in describe("c1c2c3c40_quick")


def test_published_weights_take_the_name_that_they_were_trained_with() -> None:
    assert isinstance(create("c1c2c3c40", pretrained=True, norm="batch", act=nn.ReLU), nn.Module)
    with pytest.raises(ArchitectureError, match="'c1c2c3c40' was trained with norm 'batch', not 'group'"):
        create("c1c2c3c40", pretrained=True, norm="group")


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ArchitectureError, match="'c1c2c3c40': unknown act 'reluu', did you mean 'relu'. Valid: relu, "):
        create("c1c2c3c40", act="reluu")


def own(*, num_classes: int, norm: Norm = nn.BatchNorm2d, late: "Norm" = group_norm, layer: str = "") -> nn.Module:
    return nn.ModuleList([norm(8), late(8), nn.Linear(len(layer), num_classes)])


def test_a_network_of_ones_own_takes_names_by_its_annotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_BUILDERS", {})
    register("own")(own)
    register("own_layer")(functools.partial(own, norm=NORMS["layer"]))
    first, second, linear = create("own", norm="group", late="layer", layer="group").children()
    assert (first.num_groups, second.num_groups, linear.in_features) == (2, 1, 5)
    assert options("own_layer")["norm"] == "layer" and options("own")["late"] == "group"
