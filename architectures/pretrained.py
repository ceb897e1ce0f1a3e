"""Pretrained weights: which there are, and the check that a file is the published one.

The files are in `weights/`, whose README.md is the model card. They are safetensors: tensors, and as text the classes,
mean and standard deviation, image size and options of the training. Loading one runs no code. A name is that of an
architecture, or `architecture.tag` for further weights of the same architecture, as in timm.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load
from torch import Tensor

from architectures.registry import ArchitectureError

FOLDER = Path(__file__).resolve().parents[1] / "weights"
"""Where the files are, in the source tree as where the wheel is installed."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """The SHA-256 of the file, and the accuracy on the test images, from 0 to 1."""

    sha256: str
    test_accuracy: float


PRETRAINED: Mapping[str, Published] = {
    "c1c2c3c40": Published(
        sha256="2b90e89a40c60884e457cb13dd7187db1a463e1ee1bd2e5b0ffddde75e11891e", test_accuracy=0.8893
    ),
    "c1c2c3c40.device_64k": Published(
        sha256="f16b2f5ce54267908bb59e6afe1d8f14c57e6b70bf2006f1f485656d28a69cc9", test_accuracy=0.8873
    ),
    "c1c2c3c40_gated_mirror": Published(
        sha256="7fcd4aa04d4ac928cb910645d3b4a641ce8406fe8fd5f24be92d8815d93ffa4e", test_accuracy=0.9570
    ),
    "c1c2c3c40_gated_mirror_small": Published(
        sha256="a8698fee475bd85d1da50665544f8183e90bc7309e45247cafc25895d45d7359", test_accuracy=0.9518
    ),
    "c1c2c3c40_mirror": Published(
        sha256="a3845fd5ba853ea4c70e1c600712345273c96d8a8def6a60be9bf1619ca3aedd", test_accuracy=0.9480
    ),
    "c1c2c3c40_mirror.seed_1": Published(
        sha256="0b706ffef95075c9265a5fed2029027ebf18ea19ada1cf2b348110b6089254a3", test_accuracy=0.9475
    ),
    "c1c2c3c40_mirror.seed_2": Published(
        sha256="7a20e0501fb9439868e97d30855eef84239e0e2b6f4a345061bb129d6a13e9bc", test_accuracy=0.9480
    ),
    "c1c2c3c40_quick": Published(
        sha256="b2c96d3ec7fa84e60216c8f8178aef3cbd33e11b4253738b4038f834b55e3a97", test_accuracy=0.9228
    ),
}
"""By name; the file is `weights/<name>.safetensors`."""


class WeightsError(ValueError):
    """A file of published weights that is missing, or differs from the published one."""

    exit_code: int = 5


@dataclass(frozen=True, kw_only=True)
class PretrainedWeights:
    """The content of a file of published weights.

    `tensors` is a state dict. `description` has `arch`, `arch_options`, `in_channels`, `image_size` (pixels),
    `class_names` in the order of the logits, `mean` and `std` of each channel on the scale 0 to 1, `data`, `data_hash`,
    `precision` and `augment_on`.
    """

    path: Path
    tensors: dict[str, Tensor]
    description: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """The options that the architecture was built with."""
        return {
            "num_classes": len(self.description["class_names"]),
            "in_channels": self.description["in_channels"],
            **self.description["arch_options"],
        }


def architecture_of(name: str) -> str:
    """The architecture of a name in PRETRAINED; any other name is returned as it is."""
    return name.partition(".")[0] if name in PRETRAINED else name


def pretrained_weights(name: str) -> PretrainedWeights:
    """The published weights of a name in PRETRAINED, on the CPU.

    Raises ArchitectureError for another name, WeightsError if the file is missing or damaged.
    """
    if name not in PRETRAINED:
        raise ArchitectureError(f"there are no pretrained weights of {name!r}. Valid: {', '.join(sorted(PRETRAINED))}")
    path = FOLDER / f"{name}.safetensors"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"the pretrained weights {path} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != PRETRAINED[name].sha256:
        raise WeightsError(
            f"the pretrained weights {path} are damaged: their SHA-256 is {digest}, not {PRETRAINED[name].sha256}"
        )
    # The header of a safetensors file: its length in 8 bytes, then JSON.
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    description = {key: json.loads(value) for key, value in header["__metadata__"].items()}
    return PretrainedWeights(path=path, tensors=load(content), description=description)
