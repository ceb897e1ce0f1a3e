"""A pointwise convolution as one GEMM, for feature maps whose memory is in the order CNHW.

In that order depthwise convolutions are GEMMs too (`framework.ops.depthwise_gemm`), reductions by channel read
contiguous memory, and nothing is transposed between the two. Dense convolutions prefer channels_last.
"""

from torch import Tensor


def is_cnhw(images: Tensor) -> bool:
    """Whether the memory of images (N, C, H, W) is in the order CNHW: a channel of all images together."""
    return images.ndim == 4 and images.transpose(0, 1).is_contiguous()


def pointwise_gemm(images: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W), kernels (C', C, 1, 1) and a bias (C'); the output is in CNHW too."""
    maps = images.transpose(0, 1).to(kernels.dtype)
    output = kernels.flatten(1) @ maps.flatten(1)
    output = output if bias is None else output + bias[:, None]
    return output.reshape(-1, *maps.shape[1:]).transpose(0, 1)
