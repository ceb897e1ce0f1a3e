"""A depthwise convolution with a large kernel, as one GEMM for each channel.

Each output channel is linear in its input channel, by a matrix (input pixels, output pixels) that holds the kernel's
weights along its diagonals and zeros elsewhere. Most products are with zeros, but a GPU's tensor cores are fast at
them, where a sum of shifted images (`framework.ops.stencil`) needs a term for each weight and a reduction for each
gradient. docs/findings.md has the measurement.
"""

import torch
from torch import Tensor


def depthwise_gemm(images: Tensor, kernels: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W) and kernels (C, 1, k, k) with C groups.

    Computed in the kernels' type. Takes memory for C times H * W times H' * W' weights, H' and W' being the sides of
    the output, and its gradient.
    """
    # Converted in CNHW: a compiler takes the order of the dimensions for that in memory.
    maps, kind = images.transpose(0, 1).to(kernels.dtype), kernels.dtype
    size, (height, width) = kernels.shape[-1], images.shape[2:]
    rows, columns = (_taps(side, size, stride, padding, dilation, images.device).to(kind) for side in (height, width))
    matrices = torch.einsum("cij,iyv,jxw->cyxvw", kernels[:, 0], rows, columns).flatten(3, 4).flatten(1, 2)
    output = torch.bmm(maps.flatten(2), matrices).reshape(*maps.shape[:2], rows.shape[2], columns.shape[2])
    return output.transpose(0, 1)


def _taps(side: int, size: int, stride: int, padding: int, dilation: int, device: torch.device) -> Tensor:
    """(size, side, side'): whether a weight of the kernel takes that pixel of the input to that of the output."""
    output = (side + 2 * padding - dilation * (size - 1) - 1) // stride + 1
    starts, steps = torch.arange(output, device=device), torch.arange(size, device=device)
    taken = stride * starts + dilation * steps[:, None] - padding
    return taken[:, None] == torch.arange(side, device=device)[:, None]
