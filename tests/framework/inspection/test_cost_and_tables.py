import json

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from framework.config import ConstraintsConfig
from framework.errors import EmberfieldError
from framework.inspection import check, multiply_adds, parameter_count
from framework.inspection.network import follow_network
from framework.inspection.table import (
    constraint_table,
    constraint_table_json,
    layer_rows,
    layer_table,
    layer_table_json,
)


class Shared(nn.Module):
    """One convolution run twice, another tied to it, a raw parameter, and one that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.tied = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.tied.weight = self.conv.weight
        self.raw = nn.Parameter(torch.ones(5, 3, 1, 1))
        self.idle = nn.Parameter(torch.ones(7))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.tied(self.conv(self.conv(x))), self.raw)


def test_shared_parameters_count_once_and_run_as_often_as_they_run() -> None:
    network = Shared()
    assert parameter_count(network) == 3 * 3 * 9 + 5 * 3 + 7
    assert multiply_adds(network, (3, 8, 8)) == 64 * (3 * 81 + 15)
    rows = layer_rows(follow_network(network, (3, 8, 8)))
    assert [(row.layer, row.parameters) for row in rows] == [
        ("conv", 81),
        ("conv", 0),
        ("tied", 0),
        ("convolution", 15),
        ("not used", 7),
    ]


def test_frozen_parameters_count() -> None:
    assert parameter_count(nn.Conv2d(3, 4, 3).requires_grad_(False)) == 112


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(3, 8, 3, 2, 1), 8 * 16 * 3 * 9),
        (nn.Conv2d(3, 6, 3, padding=1, groups=3), 6 * 64 * 9),
        (nn.ConvTranspose2d(3, 4, 3, 2), 64 * 3 * 4 * 9),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), 1920),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10, bias=False)), 1920),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)), 0),
    ],
)
def test_multiply_adds_by_hand(layer: nn.Module, expected: int) -> None:
    assert multiply_adds(layer, (3, 8, 8)) == expected


def test_multiply_adds_of_alexnet() -> None:
    """714 million, torchvision's published figure for its variant (0.71 GFLOPS in its table of weights)."""
    with torch.device("meta"):
        network = torchvision.models.alexnet(weights=None)
    assert round(multiply_adds(network, (3, 224, 224)) / 1e9, 2) == 0.71


def test_layer_table() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, (3, 1), 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    lines = [line.split() for line in layer_table(follow_network(network, (3, 9, 9))).splitlines()]
    assert lines == [
        ["layer", "output", "parameters", "multiply-adds", "receptive", "field", "jump"],
        ["0", "4x4x5", "40", "720", "3x1", "2"],
        ["1", "4x4x5", "0", "0", "3x1", "2"],
        ["2", "4x1x1", "0", "0", "9", "0"],
        ["total", "40", "720"],
    ]


def test_json_forms_hold_the_same() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Upsample(scale_factor=2))
    content = json.loads(json.dumps(layer_table_json(follow_network(network, (3, 9, 9)))))
    assert content["layers"][1] == {
        "layer": "1",
        "output": [4, 18, 18],
        "parameters": 0,
        "multiply_adds": 0,
        "receptive_field": [3, 3],
        "jump": [0.5, 0.5],
    }
    assert {key: content[key] for key in ("parameters", "multiply_adds", "receptive_field", "input_coverage")} == {
        "parameters": 112,
        "multiply_adds": 81 * 108,
        "receptive_field": [3, 3],
        "input_coverage": 1.0,
    }


def test_constraint_table_has_a_tick_and_a_cross() -> None:
    network = nn.Conv2d(3, 4, 3)
    findings = check(network, (3, 9, 9), ConstraintsConfig(max_params=112, min_receptive_field=4))
    _, ticked, crossed = constraint_table(findings).splitlines()
    assert ticked.split()[:3] == ["✓", "parameters", "112"]
    assert crossed.split()[:4] == ["✗", "receptive", "field", "3"]
    assert [line["holds"] for line in json.loads(json.dumps(constraint_table_json(findings)))] == [True, False]


def test_a_layer_table_of_a_network_that_refuses_the_shape() -> None:
    with pytest.raises(EmberfieldError, match="does not run"):
        layer_table(follow_network(nn.Conv2d(3, 4, 3), (4, 9, 9)))
