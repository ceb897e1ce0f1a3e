"""A plain network of another one's cost: depthwise separable blocks at the same map sizes."""

import math
from collections import defaultdict
from dataclasses import dataclass

from torch import nn

from architectures.primitives import conv_norm_act
from framework.inspection.cost import operation_multiply_adds
from framework.inspection.graph import record

LEAST_SHARE = 0.01
"""The share of the multiply-adds below which the work at a map size is left out."""


@dataclass(frozen=True)
class Stage:
    """The convolutions of a network at one map size: their multiply-adds, and the most feature maps that one gives."""

    size: tuple[int, int]
    multiply_adds: int
    width: int


def stages(network: nn.Module, input_shape: tuple[int, int, int]) -> list[Stage]:
    """A network's stages, the largest maps first; without those that do less than `LEAST_SHARE` of its work."""
    work, widths = defaultdict[tuple[int, int], int](int), defaultdict[tuple[int, int], int](int)
    for operation in record(network, input_shape).operations:
        if operation.target == "convolution":
            _, channels, height, width = operation.outputs[0].shape
            work[height, width] += operation_multiply_adds(operation)
            widths[height, width] = max(widths[height, width], channels)
    kept = [size for size in sorted(work, reverse=True) if work[size] >= LEAST_SHARE * sum(work.values())]
    return [Stage(size, work[size], widths[size]) for size in kept]


def separable_reference(network: nn.Module, input_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """A network of 3x3 depthwise separable blocks (Howard et al. 2017, MobileNets, section 3.1), of the same cost.

    A plain 3x3 convolution comes first, then for each of the network's `stages` as many blocks as their multiply-adds
    allow at its own width; the width then makes up the difference. The first block of a stage has the stride.
    """
    layers: list[nn.Module] = []
    channels, size = input_shape[:2]
    for stage in stages(network, input_shape):
        blocks, width = _fitted(stage, channels, plain=not layers)
        stride = size // stage.size[0]
        layers += _separable(channels, width, stride) if layers else [conv_norm_act(channels, width, stride=stride)]
        for _ in range(blocks):
            layers += _separable(width, width, 1)
        channels, size = width, stage.size[0]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def _fitted(stage: Stage, channels: int, *, plain: bool) -> tuple[int, int]:
    """The blocks after a stage's first, and the width of all; the first is a `plain` convolution or separable."""

    def multiply_adds(width: int, blocks: int) -> int:
        first = 9 * channels * width if plain else 9 * channels + channels * width
        return math.prod(stage.size) * (first + blocks * (9 * width + width * width))

    left = stage.multiply_adds - multiply_adds(stage.width, 0)
    blocks = max(0, round(left / (multiply_adds(stage.width, 1) - multiply_adds(stage.width, 0))))
    widths = range(1, 4 * stage.width)
    return blocks, min(widths, key=lambda width: abs(multiply_adds(width, blocks) - stage.multiply_adds))


def _separable(channels: int, width: int, stride: int) -> list[nn.Module]:
    """Both convolutions are normalised and activated, as in figure 3 there."""
    depthwise = conv_norm_act(channels, channels, stride=stride, groups=channels)
    return [depthwise, conv_norm_act(channels, width, kernel=1)]
