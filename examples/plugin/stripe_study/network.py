"""A network, found by name through the entry-point group `emberfield.architectures`."""

from torch import nn


def stripe_net(*, num_classes: int = 10, in_channels: int = 3, width: int = 8) -> nn.Sequential:
    """One convolution with stride 2, and global average pooling.

    Images (N, in_channels, H, W) to logits (N, num_classes).
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, num_classes),
    )
