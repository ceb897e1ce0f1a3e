"""Input coverage: the share of the pixels that can reach the output at all.

A large receptive field can be blind: where every convolution before a stride keeps to one subsampled grid of the image,
the stride picks that grid out, and the pixels between are never read.
"""

import numpy as np
from torch import nn

from framework.inspection.layout import axes
from framework.inspection.network import Network, follow_network
from framework.inspection.support import measured_coverage
from framework.inspection.taps import Mask


def input_coverage(model: nn.Module, input_shape: tuple[int, int, int]) -> float:
    """The share of the pixels of an image (C, H, W) that can reach the output; errors as for `coverage_mask`."""
    return float(coverage_mask(model, input_shape).mean())


def coverage_mask(model: nn.Module, input_shape: tuple[int, int, int]) -> Mask:
    """Which pixels can reach the output, (H, W).

    The statistics of a normalisation are not counted as a way. Raises EmberfieldError for a shape that the model does
    not accept.
    """
    return mask_of(follow_network(model, input_shape))


def mask_of(network: Network) -> Mask:
    """The pixels, (H, W), from which positions lead to the output; measured by gradients where not followed."""
    if network.untracked is not None:
        return measured_coverage(network.model, network.input_shape)
    outputs = {value.index for value in network.graph.outputs}
    masks: dict[int, Mask] = {}
    for n in network.edges:
        sizes = axes(network.layouts[n])
        masks[n] = np.full((sizes.get(0, 1), sizes.get(1, 1)), n in outputs)
    for n in sorted(network.edges, reverse=True):
        for edge in network.edges[n]:
            rows, columns = (
                edge.taps[axis].matrix(made, read) if axis in edge.taps else np.ones((made, read), bool)
                for axis, (made, read) in enumerate(zip(masks[n].shape, masks[edge.source].shape, strict=True))
            )
            masks[edge.source] |= rows.T @ masks[n] @ columns
    return masks[network.graph.image.index]
