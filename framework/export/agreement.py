"""A network written for other programs, once the same images through it and through PyTorch prove it equal."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from framework.checkpoint.loaded_model import LoadedModel
from framework.config.declaration import unknown
from framework.data.image_data import ImageData
from framework.data.statistics import Statistics, normalize
from framework.errors import DataError, DifferenceError, EmberfieldError, SaveError
from framework.export.formats import FORMATS, require_installed
from framework.run.atomic import write_bytes

CHECKED = 1000
"""Test images, evenly spread, on which an exported network is compared with PyTorch's; all where there are fewer."""

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


def export_model(model: LoadedModel, data: ImageData, format_name: str, out: Path) -> Agreement:
    """Writes a network on the CPU to a file of a format; how it agrees with PyTorch on test images.

    The images can be of any classes; `check_format` comes first. Raises EmberfieldError for a network that the format
    cannot express, DataError for images of other channels than the network's, DifferenceError if the two disagree and
    SaveError for a file that cannot be written; `out` is then as it was.
    """
    chosen = FORMATS[format_name]
    metadata = model.metadata
    if data.channels != metadata.in_channels:
        raise DataError(
            f"{data.name} has {data.channels} channels and {model.source} takes {metadata.in_channels}: "
            "name other images for the check with --data"
        )
    content = chosen.write(model.network, metadata)
    images = data.test_images[evenly_spread(len(data.test_images))]
    agreed = agreement(model.network, chosen.read(content), images, metadata.statistics)
    require_agreement(agreed)
    try:
        write_bytes(out, content)
    except OSError as error:
        raise SaveError(f"cannot write {out}: {error.strerror}") from error
    return agreed


def evenly_spread(number: int) -> slice:
    """CHECKED of a number of images, or all where there are fewer. A folder's are sorted by class."""
    step = max(number // CHECKED, 1)
    return slice(0, step * CHECKED, step)


def check_format(format_name: str, out: Path) -> None:
    """Raises EmberfieldError for a format that is not there or a file's name that does not end as the format's do.

    Raises DeviceError where the libraries that the format needs are not installed.
    """
    if format_name not in FORMATS:
        raise EmberfieldError(unknown("format", format_name, FORMATS))
    chosen = FORMATS[format_name]
    require_installed(chosen)
    if out.suffix != chosen.suffix:
        raise EmberfieldError(f"--out is {out}; with --format {format_name} its name has to end in {chosen.suffix}")
