"""A low-pass filter in front of what leaves pixels out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Blur(nn.Module):
    """Each map averaged over 3x3 pixels, by the binomial `weights` 1, 2, 1 along both axes or others; none is learnt.

    (N, channels, H, W) -> the same shape; beyond the border are zeros. What a stride leaves out is then in its
    neighbours, and so a shift of the image by a pixel changes less of what follows (Zhang 2019, "Making convolutional
    networks shift-invariant again", section 3, where the blur stands behind the convolution and has the stride).
    """

    kernel: Tensor

    def __init__(self, channels: int, weights: tuple[int, int, int] = (1, 2, 1)) -> None:
        super().__init__()
        self.channels = channels
        shares = torch.tensor(weights) / sum(weights)
        self.register_buffer("kernel", torch.outer(shares, shares)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """All maps by the same kernel."""
        return F.conv2d(x, self.kernel.expand(self.channels, 1, 3, 3), padding=1, groups=self.channels)

    def extra_repr(self) -> str:
        """What it is printed with."""
        return str(self.channels)
