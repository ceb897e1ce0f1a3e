"""A depthwise convolution written as a sum of shifted images, of which a compiler makes one kernel.

cuDNN's kernels for dilated ones, of bfloat16 images in channels_last, take many times as long as reading and writing
the images would (docs/findings.md).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def depthwise_stencil(images: Tensor, kernels: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W) and kernels (C, 1, k, k) with C groups, in the kernels' type.

    Meant for `torch.compile`: without it, every product and sum is an operation of its own.
    """
    # In channels_last, whose order the compiler keeps: it would put rows before channels else, and rearrange all.
    padded = F.pad(images.permute(0, 2, 3, 1).to(kernels.dtype), (0, 0) + (padding,) * 4)
    size = kernels.shape[-1]
    # From a shift, every stride-th row and column as far as the last shift leaves.
    height, width = (side - dilation * (size - 1) for side in padded.shape[1:3])
    total = torch.zeros((), dtype=padded.dtype, device=images.device)
    for row in range(size):
        for column in range(size):
            top, left = row * dilation, column * dilation
            shifted = padded[:, top : top + height : stride, left : left + width : stride]
            total = total + shifted * kernels[:, 0, row, column]
    return total.permute(0, 3, 1, 2)
