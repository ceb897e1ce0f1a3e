"""The published networks of the assignments: exact counts, against torchvision's and a plain form of each."""

import pytest
import torch
from torch import nn

from architectures import ArchitectureError, create


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def copied(source: nn.Module, target: nn.Module) -> nn.Module:
    """The target with the source's tensors, by their order."""
    ours, names = source.state_dict().values(), target.state_dict()
    target.load_state_dict(dict(zip(names, ours, strict=True)))
    return target.eval()


def test_resnet18_is_torchvisions_behind_the_small_stem() -> None:
    ours = create("resnet18").eval()
    theirs = copied(ours, create("torchvision:resnet18", stem="small"))
    assert count(ours) == count(theirs) == 11_173_962  # github.com/kuangliu/pytorch-cifar
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(x), theirs(x))


class PlainDavidNet(nn.Module):
    """The sheet's words, line by line."""

    def __init__(self) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, *pool: nn.Module) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), *pool, nn.BatchNorm2d(outputs), nn.ReLU()
            )

        self.prep = conv(3, 64)
        self.x1, self.r1 = conv(64, 128, nn.MaxPool2d(2)), nn.Sequential(conv(128, 128), conv(128, 128))
        self.layer2 = conv(128, 256, nn.MaxPool2d(2))
        self.x3, self.r3 = conv(256, 512, nn.MaxPool2d(2)), nn.Sequential(conv(512, 512), conv(512, 512))
        self.pool, self.fc = nn.MaxPool2d(4), nn.Linear(512, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.x1(self.prep(x))
        x = self.x3(self.layer2(x + self.r1(x)))
        logits: torch.Tensor = self.fc(self.pool(x + self.r3(x)).flatten(1))
        return logits


def test_davidnet_is_the_sheets() -> None:
    ours = create("davidnet").eval()
    assert count(ours) == 6_573_130
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(x), copied(ours, PlainDavidNet())(x))


@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
def test_s6_net_has_fewer_than_20_000_parameters_with_every_normalisation_of_the_sheet(norm: str) -> None:
    grey, color = (create("s6_net", in_channels=channels, norm=norm) for channels in (1, 3))
    assert count(grey) == 18_554 and count(color) == 18_842
    assert grey(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    assert color(torch.randn(2, 3, 45, 4)).shape == (2, 10)


@pytest.mark.parametrize(("name", "widths"), [("resnet18", [8]), ("davidnet", [8, 8, 8, 0]), ("s6_net", [8] * 4)])
def test_a_wrong_number_of_widths_is_refused(name: str, widths: list[int]) -> None:
    with pytest.raises(ArchitectureError, match="valid are . positive numbers"):
        create(name, widths=widths)
