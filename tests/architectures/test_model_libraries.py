import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from architectures import ArchitectureError, create, describe, libraries, options, source_files

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="the extra timm is not installed")


def make(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return create(name, **options)


def test_a_model_of_torchvision_has_the_classes_channels_and_stem_that_are_asked_for() -> None:
    network = make("torchvision:shufflenet_v2_x0_5", num_classes=7, in_channels=1, stem="small")
    assert network(torch.zeros(2, 1, 32, 32, device="meta")).shape == (2, 7)
    assert network.conv1[0].stride == (1, 1) and isinstance(network.maxpool, nn.Identity)  # type: ignore[index,union-attr]
    assert make("torchvision:shufflenet_v2_x0_5").conv1[0].stride == (2, 2)  # type: ignore[index,union-attr]


@pytest.mark.parametrize(("model", "side"), [("googlenet", 32), ("inception_v3", 75)])
def test_auxiliary_classifiers_are_off_and_nothing_is_warned_of(model: str, side: int) -> None:
    network = make(f"torchvision:{model}").train()
    output = network(torch.zeros(2, 3, side, side, device="meta"))
    assert isinstance(output, torch.Tensor) and output.shape == (2, 10)
    assert not any("aux" in name.lower() for name, _ in network.named_parameters())


def test_a_normalisation_of_torchvision_is_given_by_name() -> None:
    assert isinstance(make("torchvision:resnet18", norm_layer="group").bn1, nn.GroupNorm)
    with pytest.raises(ArchitectureError, match="ValueError: unknown norm_layer 'goup', did you mean 'group'"):
        make("torchvision:resnet18", norm_layer="goup")


def test_its_options_documentation_and_source_are_the_models() -> None:
    assert options("torchvision:resnet18") == {"num_classes": 10, "in_channels": 3, "stem": "original"}
    assert describe("torchvision:resnet18").startswith("ResNet-18 from `Deep Residual Learning")
    assert next(iter(source_files("torchvision:resnet18"))) == "torchvision/models/resnet.py"
    assert sorted(libraries()) == ["timm", "torchvision"]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("torchvision:resnet81", {}, "torchvision has no model 'resnet81', did you mean torchvision:resnet18"),
        ("torchvision:fcn_resnet50", {}, "torchvision has no model 'fcn_resnet50'"),
        ("torchvision:", {}, "torchvision has no model ''"),
        ("torchvision:resnet18", {"weights": "DEFAULT"}, "has new weights: leave out weights"),
        ("torchvision:resnet18", {"widht": 2}, r"cannot be made with .*unexpected keyword argument 'widht'"),
        ("torchvison:resnet18", {}, "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_wrong_name_or_option_is_one_line(name: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message) as caught:
        make(name, **given)
    assert len(str(caught.value).splitlines()) == 1


def test_timm_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ArchitectureError, match=r"needs timm: pip install 'emberfield\[timm\]'") as caught:
        make("timm:resnet18")
    assert caught.value.exit_code == 6


@needs_timm
def test_a_model_of_timm_is_adapted_as_torchvisions() -> None:
    network = make("timm:resnet18", num_classes=7, in_channels=1, stem="small")
    assert network(torch.zeros(2, 1, 32, 32, device="meta")).shape == (2, 7)
    assert sum(p.numel() for p in make("timm:resnet18", stem="small").parameters()) == 11_173_962
    attention = make("timm:vit_tiny_patch16_224", img_size=32, patch_size=4)
    assert attention(torch.zeros(2, 3, 32, 32, device="meta")).shape == (2, 10)
    assert next(iter(source_files("timm:resnet18"))) == "timm/models/resnet.py"
    for name, message in (
        ("timm:resnet18d", "behind conv1.0 comes conv1.3, and maxpool later"),
        ("timm:resnet_18", "timm has no model 'resnet_18', did you mean timm:resnet18"),
        (f"timm:local-dir:{Path.cwd()}", "timm has no model 'local-dir:"),
    ):
        with pytest.raises(ArchitectureError, match=message):
            make(name, stem="small")
    with pytest.raises(ArchitectureError, match="has new weights: leave out checkpoint_path"):
        make("timm:resnet18", checkpoint_path="weights.pth")
