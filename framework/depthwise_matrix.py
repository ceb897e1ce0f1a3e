"""A depthwise convolution with a large kernel, as one product of matrices for each map.

Each map of the output is linear in its map of the input, by a matrix of the pixels of the one times those of the other
that has the kernel's weights along its diagonals and is zero elsewhere. So nearly all products are with zero; but they
are the products that a GPU's matrix units are for, where a sum of shifted images (`framework.stencil`) has a term for
each weight to be compiled, and one for each to be summed in the gradient. What they take there is little beside the
rest of a network (docs/record.md, fourteenth session).
"""

import torch
from torch import Tensor


def depthwise_matrix(images: Tensor, kernels: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W) and kernels (C, 1, k, k) with C groups.

    Computed in the kernels' type. Takes memory for C times H * W times H' * W' weights, H' and W' being the sides of
    the output, and its gradient.
    """
    # Converted with the maps first: a compiler would take the order of the dimensions for that in memory.
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
