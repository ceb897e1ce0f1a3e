"""Depthwise convolutions where a library is slow: on a CPU gradients of dilated and, in bfloat16, strided ones.

oneDNN has fast kernels for what these gradients can be written as. A dilated convolution is a plain one on each of the
`dilation` squared lattices of the image (Yu and Koltun 2016, section 2; Chen et al. 2017, DeepLab, section 3.1, call it
atrous), so its gradient by the kernel is that of one plain convolution of all lattices as a batch; and at stride 1 the
gradient by the image is a convolution with the kernel turned by 180 degrees. For a GPU see `framework.stencil`.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def depthwise_conv2d(images: Tensor, kernels: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W) and kernels (C, 1, k, k) with C groups, with faster gradients.

    Computed in the kernels' type. With a dilation, the stride is 1 and the padding keeps the size.
    """
    assert dilation == 1 or (stride == 1 and 2 * padding == dilation * (kernels.shape[-1] - 1))
    output: Tensor = _DepthwiseConv2d.apply(images.to(kernels.dtype), kernels, stride, padding, dilation)
    return output


def lattices(images: Tensor, dilation: int) -> Tensor:
    """Images (N, C, H, W) as their lattices (N * dilation ** 2, C, ceil(H / dilation), ceil(W / dilation)).

    Missing rows and columns are zeros. A dilated convolution never mixes two lattices.
    """
    number, channels, height, width = images.shape
    rows, columns = -(-height // dilation), -(-width // dilation)
    padded = F.pad(images, (0, columns * dilation - width, 0, rows * dilation - height)).permute(0, 2, 3, 1)
    split = padded.reshape(number, rows, dilation, columns, dilation, channels).permute(0, 2, 4, 1, 3, 5)
    return split.reshape(-1, rows, columns, channels).permute(0, 3, 1, 2)


class _DepthwiseConv2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, kernels: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
        ctx.save_for_backward(images, kernels)
        ctx.geometry = stride, padding, dilation
        return F.conv2d(images, kernels, None, stride, padding, dilation, len(kernels))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        images, kernels = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        by_images, by_kernels = ctx.needs_input_grad[:2]
        d_images = _by_images(gradient, images, kernels, stride, padding, dilation) if by_images else None
        d_kernels = _by_kernels(gradient, images, kernels, stride, padding, dilation) if by_kernels else None
        return d_images, d_kernels, None, None, None


def _by_images(gradient: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    if stride == 1:
        return F.conv2d(gradient, kernels.flip(2, 3), None, 1, padding, dilation, len(kernels))
    exact = torch.promote_types(images.dtype, torch.float32)  # oneDNN is slow there in bfloat16, not in float32
    given = gradient.to(exact), images.to(exact), kernels.to(exact)
    return _backward(*given, stride, padding, (True, False, False))[0].to(images.dtype)


def _by_kernels(gradient: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    if dilation > 1:
        gradient, images, padding = lattices(gradient, dilation), lattices(images, dilation), padding // dilation
    return _backward(gradient, images, kernels, stride, padding, (False, True, False))[1]


def _backward(
    gradient: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of a convolution without dilation by its images, kernels and bias, those that are wanted."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, images, kernels, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(kernels), wanted
    )
    return found
