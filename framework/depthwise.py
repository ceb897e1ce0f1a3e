"""Depthwise convolutions where a library is slow: on a CPU gradients of dilated and, in bfloat16, strided ones.

oneDNN has fast kernels for what these gradients can be written as. A dilated convolution is a plain one on each of the
`dilation` squared lattices of the image (Yu and Koltun 2016, section 2; Chen et al. 2017, DeepLab, section 3.1, call it
atrous), so its gradient by the kernel is that of one plain convolution of all lattices as a batch; and at stride 1 the
gradient by the image is a convolution with the kernel turned by 180 degrees. For a GPU see `framework.stencil`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from framework.stencil import depthwise_stencil

Size = int | Sequence[int]
"""A number for both axes, or one for each."""


class FastDepthwise(TorchFunctionMode):
    """While it is entered, depthwise convolutions take a faster way where there is one.

    On a CPU that is `depthwise_conv2d`, on a GPU `depthwise_stencil` in what is compiled.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d:
            return _conv2d(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def depthwise_conv2d(images: Tensor, kernels: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W) and kernels (C, 1, k, k) with C groups, with faster gradients.

    With a dilation, the stride is 1 and the padding keeps the size.
    """
    assert dilation == 1 or (stride == 1 and 2 * padding == dilation * (kernels.shape[-1] - 1))
    output: Tensor = _DepthwiseConv2d.apply(images, kernels, stride, padding, dilation)
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


def _conv2d(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`torch.conv2d`, by a faster way where there is one for it."""
    device = images.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else images.dtype
    sides = [_square(size) for size in (stride, padding, dilation, weight.shape[2:])]
    square = [side for side in sides if side is not None]
    depthwise = images.ndim == 4 and 1 < groups == images.shape[1] == weight.shape[0]
    way = _faster_way(device, kind, *square) if depthwise and len(square) == 4 else None
    if way is None:
        return torch.conv2d(images, weight, bias, stride, padding, dilation, groups)
    output = way(images.to(kind), weight.to(kind), *square[:3])
    return output if bias is None else output + bias.to(kind)[:, None, None]


def _faster_way(
    device: str, kind: torch.dtype, stride: int, padding: int, dilation: int, kernel: int
) -> Callable[..., Tensor] | None:
    """What computes a depthwise convolution, of this geometry along both axes, faster than its device's library."""
    if device != "cpu":
        return depthwise_stencil if torch.compiler.is_compiling() else None
    if dilation == 1:
        slow = stride != 1 and kind == torch.bfloat16
    else:
        slow = stride == 1 and 2 * padding == dilation * (kernel - 1)
    return depthwise_conv2d if slow and torch.is_grad_enabled() else None


def _square(size: Size | str) -> int | None:
    """The number that a size has along both axes, None for another one."""
    if isinstance(size, int):
        return size
    return size[0] if not isinstance(size, str) and len(set(size)) == 1 else None


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
