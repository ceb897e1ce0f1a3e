import pytest
import torch
from torch import nn
from torchvision import models

from architectures.adaptation import adapt_channels, small_stem, with_stem
from architectures.registry import ArchitectureError


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_kernels_for_other_channels_are_made_of_those_for_rgb(channels: int) -> None:
    conv = nn.Conv2d(3, 4, 3, 2, 1)
    r, g, b = conv.weight.detach().unbind(1)
    adapted = nn.Sequential(conv)
    adapt_channels(adapted, channels)
    turns = {1: [r + g + b], 2: [1.5 * r, 1.5 * g], 3: [r, g, b], 5: [0.6 * kernel for kernel in (r, g, b, r, g)]}
    torch.testing.assert_close(conv.weight.detach(), torch.stack(turns[channels], 1))
    assert adapted(torch.randn(2, channels, 9, 9)).shape == (2, 4, 5, 5)
    assert conv.weight.requires_grad and conv.in_channels == channels


def test_the_small_stem_of_a_residual_network_keeps_the_size_of_the_image() -> None:
    network = small_stem(models.resnet18(num_classes=10))
    sizes = []
    network.layer1.register_forward_hook(lambda _module, _given, output: sizes.append(tuple(output.shape[2:])))
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert sizes == [(32, 32)]
    assert sum(p.numel() for p in network.parameters()) == 11_173_962


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("vgg11", "is for a strided convolution of overlapping windows; features.0 is Conv2d"),
        ("vit_b_32", "is for a strided convolution of overlapping windows; conv_proj is Conv2d"),
        ("inception_v3", "behind Conv2d_1a_3x3.conv comes Conv2d_2a_3x3.conv, and maxpool1 later"),
    ],
)
def test_a_network_without_such_a_stem_is_refused(model: str, message: str) -> None:
    options = {"init_weights": False} if model == "inception_v3" else {}
    with torch.device("meta"):
        network = models.get_model_builder(model)(**options)
    with pytest.raises(ArchitectureError, match=message):
        small_stem(network)


def test_what_cannot_be_adapted_is_said() -> None:
    with pytest.raises(ArchitectureError, match="Linear has no convolution that could be adapted"):
        adapt_channels(nn.Linear(3, 2), 1)
    with pytest.raises(ArchitectureError, match="unknown stem 'tiny'; valid: original, small"):
        with_stem(nn.Conv2d(3, 2, 3), "tiny")  # type: ignore[arg-type]
    with pytest.raises(ArchitectureError, match="the channels of a grouped convolution cannot be replaced"):
        adapt_channels(nn.Sequential(nn.Conv2d(4, 4, 3, groups=4)), 3)
