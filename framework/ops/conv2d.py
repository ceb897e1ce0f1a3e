"""Convolutions that oneDNN or cuDNN computes slowly or wrongly, computed another way."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from framework.ops.compiled import depthwise_gemm, depthwise_stencil, is_cnhw, pointwise_gemm
from framework.ops.depthwise import FAST_COLUMNS, depthwise_conv2d, supports, use_space_to_batch

Size = int | Sequence[int]
"""A number for both axes, or one for each."""

STENCIL = 5
"""The largest kernel that is a stencil: 7x7 took minutes to compile (docs/findings.md)."""

GEMM = 32 * 32
"""The most pixels of a feature map that is one side of a GEMM."""


def conv2d(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    right_gradient: bool = True,
    fast: bool = True,
    subsampled: bool = True,
) -> Tensor:
    """What `torch.conv2d` gives for the same arguments, computed faster or more exactly where that is known.

    With `fast`, depthwise convolutions that oneDNN is slow at are `depthwise_conv2d`; compiled for a GPU, they are
    `depthwise_stencil` or, for small images in CNHW or with a large kernel, `depthwise_gemm`. Pointwise ones in CNHW
    are `pointwise_gemm` on a GPU. With `right_gradient`, dilated ones whose gradient oneDNN gets wrong in bfloat16 are
    computed in float32. With `subsampled`, strided pointwise ones whose gradient oneDNN may crash at take the pixels
    first that they are of.
    """
    device = images.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else images.dtype
    if right_gradient and _gradient_is_wrong(device, kind, dilation, weight.shape[1]):
        return _in_float32(images, weight, bias, stride, padding, dilation, groups).to(kind)
    if subsampled and _gradient_may_crash(device, kind, weight, stride, padding, groups):
        rows, columns = (stride, stride) if isinstance(stride, int) else (stride[0], stride[-1])
        images, stride = images[..., ::rows, ::columns], 1
    if not fast:
        return torch.conv2d(images, weight, bias, stride, padding, dilation, groups)
    sides = [_square(size) for size in (stride, padding, dilation, weight.shape[2:])]
    square = [side for side in sides if side is not None]
    depthwise = images.ndim == 4 and 1 < groups == images.shape[1] == weight.shape[0]
    pointwise = weight.shape[1:] == (images.shape[1], 1, 1) and square == [1, 0, 1, 1]
    if device != "cpu" and pointwise and is_cnhw(images):
        return pointwise_gemm(images, weight.to(kind), None if bias is None else bias.to(kind))
    way = _faster_way(images, kind, *square) if depthwise and len(square) == 4 else None
    if way is None:
        return torch.conv2d(images, weight, bias, stride, padding, dilation, groups)
    output = way(images, weight.to(kind), *square[:3])
    return output if bias is None else output + bias.to(kind)[:, None, None]


def _gradient_is_wrong(device: str, kind: torch.dtype, dilation: Size, channels: int) -> bool:
    """Whether oneDNN may get the gradient by kernels that take so many `channels` wrong.

    In bfloat16 and channels_last, with a dilation and more than 16 channels that are no multiple of 16, it is off by
    more than its own size or NaN on images of 30 pixels and more (torch 2.14.1, a CPU with avx512_bf16). That size was
    found by trying, so it is not relied on.
    """
    dilated = dilation != 1 if isinstance(dilation, int) else any(side != 1 for side in dilation)
    low = device == "cpu" and kind == torch.bfloat16
    return low and dilated and channels > 16 and channels % 16 != 0 and torch.is_grad_enabled()


def _gradient_may_crash(
    device: str, kind: torch.dtype, weight: Tensor, stride: Size, padding: Size | str, groups: int
) -> bool:
    """Whether oneDNN may write past its buffer in the gradient by kernels of one pixel.

    It does so in float32 and channels_last at a stride that divides the images' sides, with 2 to 15 channels and up to
    16 kernels (AVX-512) or half as many (AVX2): gradients are wrong or the process dies, the larger the images the
    likelier (torch 2.14.1; github.com/uxlfoundation/oneDNN/issues/6035). Of these conditions those on size, kernels and
    memory format are not relied on.
    """
    strided, plain = _square(stride) != 1, padding == "valid" or _square(padding) == 0
    few = groups == 1 and 1 < weight.shape[1] < 16 and weight.shape[2:] == (1, 1)
    return device == "cpu" and kind == torch.float32 and strided and plain and few and torch.is_grad_enabled()


def _in_float32(images: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> Tensor:
    """`torch.conv2d`, and so its gradients, in float32 whatever autocast says."""
    # Another memory format would be right too, but torch.compile would choose channels_last again.
    with torch.autocast(images.device.type, enabled=False):
        return torch.conv2d(images.float(), weight.float(), None if bias is None else bias.float(), *geometry)


def _faster_way(
    images: Tensor, kind: torch.dtype, stride: int, padding: int, dilation: int, kernel: int
) -> Callable[..., Tensor] | None:
    """What computes a depthwise convolution, of this geometry along both axes, where its device's library is slow."""
    if images.device.type != "cpu":
        if not torch.compiler.is_compiling():
            return None
        if images.shape[2] * images.shape[3] <= GEMM and (kernel > STENCIL or is_cnhw(images)):
            return depthwise_gemm
        return depthwise_stencil if kernel <= STENCIL else None
    slow_gradient = dilation > 1 or kernel > FAST_COLUMNS if stride == 1 else kind == torch.bfloat16
    slow = use_space_to_batch(kernel, padding, dilation) or (slow_gradient and torch.is_grad_enabled())
    return depthwise_conv2d if slow and supports(kernel, stride, padding, dilation) else None


def _square(size: Size | str) -> int | None:
    """The number that a size has along both axes, None for another one."""
    if isinstance(size, int):
        return size
    return size[0] if not isinstance(size, str) and len(set(size)) == 1 else None
