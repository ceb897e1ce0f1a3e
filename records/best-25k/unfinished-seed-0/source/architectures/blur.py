"""A fixed low-pass filter in front of what subsamples."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Blur(nn.Module):
    """A 3x3 average of each channel, by the binomial `weights` 1, 2, 1 along both axes or by others; not learnt.

    (N, channels, H, W) -> the same shape, zero padding. In front of a strided convolution it removes the frequencies
    that would alias, so a shift of the image by one pixel changes the features less (Zhang 2019, "Making convolutional
    networks shift-invariant again", section 3, where the blur stands behind the convolution and has the stride).
    """

    kernel: Tensor

    def __init__(self, channels: int, weights: tuple[int, int, int] = (1, 2, 1)) -> None:
        super().__init__()
        self.channels = channels
        normalized = torch.tensor(weights) / sum(weights)
        self.register_buffer("kernel", torch.outer(normalized, normalized)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """A depthwise convolution with the one kernel."""
        return F.conv2d(x, self.kernel.expand(self.channels, 1, 3, 3), padding=1, groups=self.channels)

    def extra_repr(self) -> str:
        """The argument that it is printed with."""
        return str(self.channels)
