"""Pretrained weights: which there are, and the proof that a file is the one that was published.

A file stands in `weights/`, beside this package, whose README.md is the model card. It holds tensors and text in the
format of safetensors, nothing that could be run. The text describes the training: classes, mean and deviation, image
size, options of the architecture. The SHA-256 below fixes tensors and text alike.
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
    """What is vouched for: the SHA-256 of a file, and the share of the test images that its network gets right."""

    sha256: str
    test_accuracy: float


PRETRAINED: Mapping[str, Published] = {
    "c1c2c3c40": Published(
        sha256="2b90e89a40c60884e457cb13dd7187db1a463e1ee1bd2e5b0ffddde75e11891e", test_accuracy=0.8893
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
    "c1c2c3c40_mirror_small": Published(
        sha256="8538212a28c5c9b309fd9ab020c19020bb2afc788a14e7d8c51d2713717a45af", test_accuracy=0.9334
    ),
    "c1c2c3c40_quick": Published(
        sha256="b2c96d3ec7fa84e60216c8f8178aef3cbd33e11b4253738b4038f834b55e3a97", test_accuracy=0.9228
    ),
    "c1c2c3c40_small": Published(
        sha256="0cae1dfcd3dbd110f004c3ad2d6417fcb91deff7ac21bf0679aefb7c078ddbee", test_accuracy=0.8994
    ),
}
"""By the name of the architecture; the file of a name is `weights/<name>.safetensors`."""


class WeightsError(ValueError):
    """A file of published weights that is missing or not as it was published."""

    exit_code: int = 5


@dataclass(frozen=True, kw_only=True)
class PretrainedWeights:
    """What a file of published weights holds.

    `tensors` is a state dict. `description` says of the training: `arch`, `arch_options`, `in_channels`, `image_size`
    (pixels), `class_names` in the order of the logits, `mean` and `std` of each channel on the scale 0 to 1, `data`,
    `data_hash`, `precision` and `augment_on`.
    """

    path: Path
    tensors: dict[str, Tensor]
    description: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """What the builder of the architecture is called with."""
        return {
            "num_classes": len(self.description["class_names"]),
            "in_channels": self.description["in_channels"],
            **self.description["arch_options"],
        }


def pretrained_weights(name: str) -> PretrainedWeights:
    """The published weights of an architecture, on the CPU.

    Raises ArchitectureError if there are none of that name, WeightsError if the file is missing or damaged.
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
