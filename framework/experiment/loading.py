"""A trained network as a command names it."""

from pathlib import Path
from typing import TYPE_CHECKING

from framework.errors import EmberfieldError
from framework.run.environment import check_libraries, choose_device

if TYPE_CHECKING:
    from framework.checkpoint.loaded_model import LoadedModel
    from framework.checkpoint.networks import Networks


def load(
    networks: "Networks", checkpoint: Path | str | None, *, arch: str | None, pretrained: bool, device: str
) -> "LoadedModel":
    """The network of a run or checkpoint, or the one of `arch` with published weights, on a device by its name.

    Raises EmberfieldError unless it is named in exactly one of these ways, DeviceError for libraries that do not fit
    each other, else as `load_model` and `load_pretrained`.
    """
    check_libraries()

    from framework.checkpoint.loaded_model import load_model, load_pretrained

    if checkpoint is not None and not pretrained:
        return load_model(networks, Path(checkpoint), choose_device(device), arch)
    if checkpoint is None and pretrained and arch is not None:
        return load_pretrained(networks, arch, choose_device(device))
    valid = ", ".join(sorted(networks.PRETRAINED))
    raise EmberfieldError(f"name one network, by --checkpoint RUN or by --pretrained --arch NAME; valid: {valid}")
