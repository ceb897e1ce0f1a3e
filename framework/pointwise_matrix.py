"""A pointwise convolution as one product of matrices, of maps that come first in memory.

Images (N, C, H, W) usually lie pixel by pixel for it (channels_last), as a dense convolution likes them. Map by map,
(C, N, H, W), depthwise convolutions are products of matrices too (`framework.depthwise_matrix`), sums by map are over
what lies together, and nothing has to be rearranged between the two.
"""

from torch import Tensor


def maps_first(images: Tensor) -> bool:
    """Whether images (N, C, H, W) lie in memory map by map, each map of all images together."""
    return images.ndim == 4 and images.transpose(0, 1).is_contiguous()


def pointwise_matrix(images: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
    """What `conv2d` gives for images (N, C, H, W), kernels (C', C, 1, 1) and a bias (C'); it has the maps first too."""
    maps = images.transpose(0, 1).to(kernels.dtype)
    output = kernels.flatten(1) @ maps.flatten(1)
    output = output if bias is None else output + bias[:, None]
    return output.reshape(-1, *maps.shape[1:]).transpose(0, 1)
