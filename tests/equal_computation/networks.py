"""A small network with dropout, for `--arch networks:dropout`."""

from torch import nn


def dropout(*, num_classes: int, in_channels: int = 3) -> nn.Module:
    """(N, in_channels, H, W) -> (N, num_classes); a tenth of a millisecond an image."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 16, 3, 2, 1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Dropout2d(0.1),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32, num_classes),
    )
