"""Depthwise and pointwise convolutions for what is compiled for a GPU: as GEMMs, or as a sum of shifted images.

cuDNN's kernels for dilated depthwise ones, of bfloat16 images in channels_last, take many times as long as reading and
writing the images would (docs/findings.md). A compiler makes one kernel of the sum. Feature maps in the memory order
CNHW suit the GEMMs: reductions by channel read contiguous memory, and nothing is
transposed between the two. Dense convolutions prefer channels_last.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def is_cnhw(images: Tensor) -> bool:
    """Whether the memory of images (N, C, H, W) is in the order CNHW: a channel of all images together."""
    return images.ndim == 4 and images.transpose(0, 1).is_contiguous()


def pointwise_gemm(images: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W), kernels (C', C, 1, 1) and a bias (C'); the output is in CNHW."""
    channels = images.transpose(0, 1).to(kernels.dtype)
    output = kernels.flatten(1) @ channels.flatten(1)
    output = output if bias is None else output + bias[:, None]
    return output.reshape(-1, *channels.shape[1:]).transpose(0, 1)


def depthwise_gemm(images: Tensor, kernels: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W) and kernels (C, 1, k, k) with C groups, in the kernels' type.

    An output channel is linear in its input channel, by a matrix (input pixels, output pixels) with the kernel's
    weights along its diagonals and zeros elsewhere. A GPU's tensor cores are fast at these products, most of them with
    zeros, where `depthwise_stencil` needs a term for each weight (measured: docs/findings.md). The matrices are C times
    H * W times H' * W' weights, H' and W' being the sides of the output, and so is their gradient.
    """
    # Converted in CNHW: a compiler takes the order of the dimensions for that in memory.
    channels, kind = images.transpose(0, 1).to(kernels.dtype), kernels.dtype
    size, (height, width) = kernels.shape[-1], images.shape[2:]
    rows, columns = (_taps(side, size, stride, padding, dilation, images.device).to(kind) for side in (height, width))
    matrices = torch.einsum("cij,iyv,jxw->cyxvw", kernels[:, 0], rows, columns).flatten(3, 4).flatten(1, 2)
    output = torch.bmm(channels.flatten(2), matrices)
    return output.reshape(*channels.shape[:2], rows.shape[2], columns.shape[2]).transpose(0, 1)


def _taps(side: int, size: int, stride: int, padding: int, dilation: int, device: torch.device) -> Tensor:
    """(size, side, side'): whether a weight of the kernel takes that pixel of the input to that of the output."""
    output = (side + 2 * padding - dilation * (size - 1) - 1) // stride + 1
    starts, steps = torch.arange(output, device=device), torch.arange(size, device=device)
    taken = stride * starts + dilation * steps[:, None] - padding
    return taken[:, None] == torch.arange(side, device=device)[:, None]


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
