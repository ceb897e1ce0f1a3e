"""A trained network written for other programs, once it is proved that it computes the same there."""

from pathlib import Path

from framework.checkpoint.loaded_model import LoadedModel
from framework.config.declaration import unknown
from framework.data.image_data import ImageData
from framework.errors import DataError, EmberfieldError, SaveError
from framework.export.agreement import Agreement, agreement, require_agreement
from framework.export.formats import FORMATS, require_installed
from framework.run.atomic import write_bytes

CHECKED = 1000
"""Test images, evenly spread, on which an exported network is compared with PyTorch's; all where there are fewer."""


def export_model(model: LoadedModel, data: ImageData, format_name: str, out: Path) -> Agreement:
    """Writes a network on the CPU to a file of a format; how it agrees with PyTorch on test images.

    The images can be of any classes. Raises EmberfieldError for a file whose name does not end as the format's do and
    for a network that it cannot express, DataError for images of other channels than the network's, DifferenceError if
    the two disagree and SaveError for a file that cannot be written; `out` is then as it was.
    """
    check_format(format_name, out)
    chosen = FORMATS[format_name]
    metadata = model.metadata
    if data.channels != metadata.in_channels:
        raise DataError(
            f"{data.name} has {data.channels} channels and {model.source} takes {metadata.in_channels}: "
            "name other images for the check with --data"
        )
    content = chosen.write(model.network, metadata)
    images = data.test_images[:: max(len(data.test_images) // CHECKED, 1)][:CHECKED]  # a folder's are sorted by class
    agreed = agreement(model.network, chosen.read(content), images, metadata.statistics)
    require_agreement(agreed)
    try:
        write_bytes(out, content)
    except OSError as error:
        raise SaveError(f"cannot write {out}: {error.strerror}") from error
    return agreed


def check_format(format_name: str, out: Path) -> None:
    """Raises EmberfieldError for a format that is not there or a file's name that does not end as the format's do.

    Raises DeviceError where the libraries that the format needs are not installed.
    """
    if format_name not in FORMATS:
        raise EmberfieldError(unknown("format", format_name, FORMATS))
    chosen = FORMATS[format_name]
    require_installed(chosen.needs)
    if out.suffix != chosen.suffix:
        raise EmberfieldError(f"--out is {out}; with --format {format_name} its name has to end in {chosen.suffix}")
