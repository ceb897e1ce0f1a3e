"""Networks for comparing two ways of finding a receptive field: registered ones, and random ones with branches."""

import os
import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from architectures import create, options


def narrow(name: str) -> nn.Module:
    """A registered network with few channels, on which its receptive field does not depend; whole in a soak test."""
    widths = {} if os.environ.get("EMBERFIELD_SOAK") else {"widths": (8,) * len(options(name)["widths"])}
    return create(name, **widths)


class Branches(nn.Module):
    """The bodies side by side, cut to their common size and added or concatenated."""

    def __init__(self, bodies: list[nn.Module], add: bool) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(bodies)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        outputs = [body(x) for body in self.bodies]
        height, width = (min(output.shape[n] for output in outputs) for n in (2, 3))
        cut = [output[:, :, :height, :width] for output in outputs]
        return sum(cut[1:], cut[0]) if self.add else torch.cat(cut, 1)


class Upsample(nn.Module):
    def __init__(self, factor: int, mode: str) -> None:
        super().__init__()
        self.factor, self.mode = factor, mode

    def forward(self, x: Tensor) -> Tensor:
        align = None if self.mode == "nearest" else False
        return F.interpolate(x, scale_factor=self.factor, mode=self.mode, align_corners=align)


class Gate(nn.Module):
    """Squeeze-and-excitation: the mean of each channel scales it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv(x.mean((2, 3), keepdim=True)))


def random_network(seed: int, channels: int = 4) -> nn.Sequential:
    """A network from (N, 3, H, W) to a feature map of an eighth of that or more, different per axis where it can be."""
    draw = random.Random(seed)
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 1)]
    jump = 1
    for _ in range(draw.randint(2, 6)):
        strided = draw.random() < 0.4 and jump < 8
        layers += [_layer(draw, channels, 2 if strided else 1), nn.BatchNorm2d(channels), nn.ReLU()]
        jump *= 2 if strided else 1
        kind = draw.random()
        if kind < 0.3:
            bodies = [_body(draw, channels) for _ in range(draw.randint(1, 2))]
            add = draw.random() < 0.5
            layers.append(Branches([nn.Identity(), *bodies], add))
            if not add:
                layers.append(nn.Conv2d((1 + len(bodies)) * channels, channels, 1))
        elif kind < 0.4:
            layers.append(Gate(channels))
        elif kind < 0.55 and jump > 1:
            layers.append(_upsampling(draw, channels))
            jump //= 2
    return nn.Sequential(*layers)


def _pair(draw: random.Random, low: int, high: int) -> tuple[int, int]:
    return draw.randint(low, high), draw.randint(low, high)


def _layer(draw: random.Random, channels: int, stride: int) -> nn.Module:
    kernel, dilation = _pair(draw, 1, 4), _pair(draw, 1, 3)
    near_same = [max(0, d * (k - 1) // 2 + draw.choice((-1, 0, 0, 1))) for k, d in zip(kernel, dilation, strict=True)]
    padding = (near_same[0], near_same[1])
    pool_padding = (draw.randint(0, kernel[0] // 2), draw.randint(0, kernel[1] // 2))
    steps = (stride, draw.choice((1, stride)))
    kind = draw.random()
    if kind < 0.15:
        return nn.MaxPool2d(kernel, steps, pool_padding, draw.randint(1, 2), ceil_mode=draw.random() < 0.3)
    if kind < 0.3:
        return nn.AvgPool2d(kernel, steps, pool_padding, ceil_mode=draw.random() < 0.3)
    groups = draw.choice((1, 1, channels))
    depth = nn.Conv2d(channels, channels, kernel, steps, padding, dilation, groups)
    return nn.Sequential(depth, nn.Conv2d(channels, channels, 1)) if groups > 1 else depth


def _body(draw: random.Random, channels: int) -> nn.Module:
    return nn.Sequential(*(_layer(draw, channels, 1) for _ in range(draw.randint(1, 2))), nn.GELU())


def _upsampling(draw: random.Random, channels: int) -> nn.Module:
    kind = draw.random()
    if kind < 0.3:
        return Upsample(2, draw.choice(("nearest", "bilinear", "bicubic")))
    if kind < 0.5:
        return nn.Sequential(nn.Conv2d(channels, 4 * channels, 1), nn.PixelShuffle(2))
    kernel, dilation = _pair(draw, 2, 4), (draw.choice((1, 3)), draw.choice((1, 3)))  # no position stays empty
    return nn.ConvTranspose2d(channels, channels, kernel, 2, _pair(draw, 0, 1), 0, 1, True, dilation)
