"""The assignment's written-down network in plain torch, without norms and activations."""

from collections import OrderedDict

from torch import nn


def dense(inputs: int, outputs: int, stride: int, padding: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding, dilation)


def separable(channels: int, padding: int, dilation: int) -> nn.Sequential:
    depthwise = nn.Conv2d(channels, channels, 3, 1, padding, dilation, groups=channels)
    return nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=nn.Conv2d(channels, channels, 1)))


def written_down_network(width: int = 4) -> nn.Sequential:
    """Images (N, 3, H, W) to (N, 10, 1, 1)."""
    w = width
    return nn.Sequential(
        OrderedDict(
            c1=nn.Sequential(dense(3, w, 1, 2, 2), dense(w, w, 1, 2, 2), dense(w, w, 1, 2, 2)),
            c2=nn.Sequential(dense(w, w, 2, 1, 2), separable(w, 2, 2), separable(w, 2, 2)),
            c3=nn.Sequential(dense(w, w, 2, 1, 2), separable(w, 1, 1), separable(w, 1, 1)),
            c4=nn.Sequential(dense(w, w, 2, 2, 2), separable(w, 1, 1), dense(w, w, 1, 2, 2), dense(w, w, 1, 1, 1)),
            head=nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), conv=nn.Conv2d(w, 10, 3, padding=1))),
        )
    )
