"""The check of an exported network: the same images through it and through PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from framework.data.statistics import Statistics, normalize
from framework.errors import DifferenceError

TOLERANCE = 1e-4
"""The largest difference of two logits that passes, as a share of the largest logit, or of 1 if all are smaller."""


@dataclass(frozen=True)
class Agreement:
    """How two networks agree on `images` images: the predictions that are `equal`, the largest `difference` of logits.

    Within the `tolerance` a prediction can differ only where the two best logits lie closer than twice that.
    """

    images: int
    equal: int
    difference: float
    tolerance: float


@torch.no_grad()
def agreement(
    network: nn.Module,
    exported: Callable[[Tensor], Tensor],
    images: npt.NDArray[np.uint8],
    statistics: Statistics,
    batch_size: int = 128,
) -> Agreement:
    """Compares the logits of a network in evaluation mode, on the CPU, with those of what was exported from it.

    The images (N, H, W, C) are normalised for the one, and brought to (N, C, H, W) from 0 to 1 for the other. The first
    is a batch of its own, so that two batch sizes are seen. The difference is not a number where a logit is none.
    """
    expected, found = [], []
    for start, stop in pairwise([0, *range(1, len(images), batch_size), len(images)]):
        batch = torch.from_numpy(images[start:stop].copy())
        expected.append(network(normalize(batch, statistics)))
        found.append(exported((batch.permute(0, 3, 1, 2) / 255).contiguous()))
    first, second = torch.cat(expected), torch.cat(found)
    return Agreement(
        images=len(images),
        equal=int((first.argmax(1) == second.argmax(1)).sum()),
        difference=float((first - second).abs().max()),
        tolerance=TOLERANCE * max(1.0, float(first.abs().max())),
    )


def require_agreement(agreed: Agreement) -> None:
    """Raises DifferenceError unless every logit is within the tolerance."""
    if not agreed.difference <= agreed.tolerance:  # so written, it refuses what is not a number
        raise DifferenceError(
            f"the exported network differs from PyTorch's: its logits by up to {agreed.difference:.1e}, more than "
            f"{agreed.tolerance:.1e}, and {agreed.images - agreed.equal} of {agreed.images} predictions"
        )
