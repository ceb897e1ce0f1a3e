"""Depthwise convolutions where oneDNN is slow: large dilated ones, and the gradients of dilated and large kernels.

They are rewritten as what it is fast at. A dilated convolution is a plain one on each of the `dilation ** 2` subsampled
images (Yu and Koltun 2016, section 2; Chen et al. 2017, DeepLab, section 3.1: atrous), put into the batch dimension, so
its gradient by the kernel is that of one plain convolution. At stride 1 the gradient by the image is a convolution with
the kernel rotated by 180 degrees. The gradient by a kernel is computed three of its columns at a time.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight

FAST_PADDING = 6
"""The most pixels of padding with which oneDNN is fast (measured: docs/findings.md)."""

FAST_COLUMNS = 3
"""The most columns of a kernel whose gradient oneDNN is fast at (measured: docs/findings.md)."""


def supports(size: int, stride: int, padding: int, dilation: int) -> bool:
    """Whether `depthwise_conv2d` computes kernels `size` pixels wide, of this geometry along both axes.

    At stride 1 `size` is odd and the padding keeps the images' size; at other strides there is no dilation.
    """
    return (size % 2 == 1 and padding == dilation * (size // 2)) if stride == 1 else dilation == 1


def use_space_to_batch(size: int, padding: int, dilation: int) -> bool:
    """Whether a dilated kernel, `size` pixels wide, is faster by `space_to_batch`; one of three pixels never is."""
    return dilation > 1 and padding > FAST_PADDING and size > FAST_COLUMNS


def depthwise_conv2d(images: Tensor, kernels: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W) and kernels (C, 1, k, k) with C groups, with faster gradients.

    Computed in the kernels' type, for the geometries that it `supports`.
    """
    assert supports(kernels.shape[-1], stride, padding, dilation)
    images = images.to(kernels.dtype)
    if use_space_to_batch(kernels.shape[-1], padding, dilation):
        plain = _DepthwiseConv2d.apply(space_to_batch(images, dilation), kernels, 1, padding // dilation, 1)
        return batch_to_space(plain, dilation, *images.shape[2:])
    output: Tensor = _DepthwiseConv2d.apply(images, kernels, stride, padding, dilation)
    return output


def space_to_batch(images: Tensor, dilation: int) -> Tensor:
    """Images (N, C, H, W) subsampled: (N * dilation ** 2, C, ceil(H / dilation), ceil(W / dilation)).

    Missing rows and columns are zeros. A dilated convolution never mixes two of the subsampled images.
    """
    number, channels, height, width = images.shape
    rows, columns = -(-height // dilation), -(-width // dilation)
    padded = F.pad(images, (0, columns * dilation - width, 0, rows * dilation - height)).permute(0, 2, 3, 1)
    split = padded.reshape(number, rows, dilation, columns, dilation, channels).permute(0, 2, 4, 1, 3, 5)
    return split.reshape(-1, rows, columns, channels).permute(0, 3, 1, 2)


def batch_to_space(split: Tensor, dilation: int, height: int, width: int) -> Tensor:
    """The images (N, C, height, width) that `space_to_batch` made these of."""
    _, channels, rows, columns = split.shape
    apart = split.permute(0, 2, 3, 1).reshape(-1, dilation, dilation, rows, columns, channels).permute(0, 3, 1, 4, 2, 5)
    padded = apart.reshape(-1, rows * dilation, columns * dilation, channels).permute(0, 3, 1, 2)
    return padded[:, :, :height, :width]


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
    geometry = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(kernels)
    found: Tensor = torch.ops.aten.convolution_backward(*given, None, *geometry, (True, False, False))[0]
    return found.to(images.dtype)


def _by_kernels(gradient: Tensor, images: Tensor, kernels: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    if dilation > 1:
        gradient, images = space_to_batch(gradient, dilation), space_to_batch(images, dilation)
        padding = padding // dilation
    size, groups = kernels.shape[-1], len(kernels)
    if stride > 1 or size <= FAST_COLUMNS:
        whole: Tensor = conv2d_weight(images, kernels.shape, gradient, stride, padding, groups=groups)  # type: ignore[no-untyped-call]
        return whole
    starts = range(0, size, FAST_COLUMNS)
    # Without padding, with which a kernel of more rows is slow again.
    padded = _padded(images, padding, padding + len(starts) * FAST_COLUMNS - size, padding, padding)
    windows = [padded[..., start : start + gradient.shape[3] + FAST_COLUMNS - 1] for start in starts]
    columns = (groups, 1, size, FAST_COLUMNS)
    parts = [conv2d_weight(part, columns, gradient, groups=groups) for part in windows]  # type: ignore[no-untyped-call]
    return torch.cat(parts, 3)[..., :size]


def _padded(images: Tensor, *sides: int) -> Tensor:
    """Images (N, C, H, W) with so many zeros added at the left, right, top and bottom."""
    if images.element_size() != 2 or images.shape[1] % 2:
        return F.pad(images, sides)
    # Two channels of 16 bits as one of 32: torch.compile pads 16 bits one by one. Flattened, for one pixel's strides.
    number, channels, height, width = images.shape
    pairs = images.permute(0, 2, 3, 1).flatten().view(torch.float32).view(number, height, width, channels // 2)
    return F.pad(pairs, (0, 0, *sides)).view(images.dtype).permute(0, 3, 1, 2)
