"""A network that a kill can hurt in every way: batch statistics, dropout, an average of its weights beside it."""

from torch import nn


def small(*, num_classes: int, in_channels: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, 4, 1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, num_classes),
    )


def grouped(*, num_classes: int, in_channels: int = 3) -> nn.Module:
    """No statistics of a batch and no dropout: several processes compute what one does."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, 4, 1),
        nn.GroupNorm(2, 8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.GroupNorm(4, 16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, num_classes),
    )
