"""Test-time augmentation."""

from torch import Tensor, nn


class FlipTTA(nn.Module):
    """The mean of a network's logits for each image (N, C, H, W) and for its horizontal flip."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, classes)."""
        mean: Tensor = (self.network(x) + self.network(x.flip(3))) / 2
        return mean
