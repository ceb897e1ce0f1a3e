"""A trained network written for other programs, once it is proved that it computes the same there."""

from pathlib import Path

from framework.atomic import write_bytes
from framework.errors import DataError, EmberfieldError, SaveError
from framework.exporting import FORMATS, Agreement, agreement, require_agreement
from framework.sources import ImageData
from recipes.restoring import Restored

CHECKED = 1000
"""Test images, evenly spread, on which an exported network is compared with PyTorch's; all where there are fewer."""


def export(restored: Restored, data: ImageData, format_name: str, out: Path) -> tuple[Agreement, int]:
    """Writes a network on the CPU to a file of a format; how it agrees with PyTorch on test images, and its bytes.

    The images can be of any classes. Raises EmberfieldError for a file whose name does not end as the format's do and
    for a network that it cannot express, DataError for images of other channels than the network's, DifferenceError if
    the two disagree and SaveError for a file that cannot be written; `out` is then as it was.
    """
    chosen = FORMATS[format_name]
    if out.suffix != chosen.suffix:
        raise EmberfieldError(f"--out is {out}; with --format {format_name} its name has to end in {chosen.suffix}")
    description = restored.description
    if data.channels != description.in_channels:
        raise DataError(
            f"{data.name} has {data.channels} channels and {restored.source} takes {description.in_channels}: "
            "name other images for the check with --data"
        )
    content = chosen.write(restored.network, description)
    images = data.test_images[:: max(len(data.test_images) // CHECKED, 1)][:CHECKED]  # a folder's are sorted by class
    agreed = agreement(restored.network, chosen.read(content), images, description.statistics)
    require_agreement(agreed)
    try:
        write_bytes(out, content)
    except OSError as error:
        raise SaveError(f"cannot write {out}: {error.strerror}") from error
    return agreed, len(content)
