"""A network in int8: calibrated on some images, judged on others, and written only if it is accurate enough there."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from framework.checkpoint.loaded_model import LoadedModel
from framework.data.image_data import Images, Labels
from framework.data.statistics import normalize
from framework.errors import AccuracyError, ConstraintError, DataError, EmberfieldError, SaveError
from framework.export.formats import FORMATS
from framework.export.traced import file_metadata
from framework.run.atomic import write_bytes
from framework.seeding import calibration_generator

MAX_DROP = 0.5
"""The points of accuracy that int8 may cost, unless the user says another number."""

CALIBRATION_IMAGES = 200
"""Images to calibrate on, unless the user says another number."""


@dataclass(frozen=True)
class Labelled:
    """Images (N, H, W, C) with their labels (N,), and what they are called."""

    name: str
    images: Images
    labels: Labels


@dataclass(frozen=True)
class Accuracies:
    """The share of `images` images that a network classifies correctly in float32 and in int8."""

    name: str
    images: int
    float32: float
    int8: float

    @property
    def drop(self) -> float:
        """What int8 costs, in points of accuracy; below 0 where it gains."""
        return round(100 * (self.float32 - self.int8), 6)  # 100 * (0.9 - 0.895) is more than 0.5


@dataclass(frozen=True)
class Int8Export:
    """What an int8 network was calibrated and judged on, and, where asked for, how accurate it is on test images."""

    calibrated_on: str
    calibration_images: int
    max_drop: float
    held_out: Accuracies
    test: Accuracies | None = None


def split_calibration(held_out: Labelled, number: int, seed: int = 0) -> tuple[Labelled, Labelled]:
    """Images to calibrate on, `number` of them but at most half, and the others to judge by; drawn by the seed.

    Raises DataError for fewer than two images.
    """
    found = len(held_out.labels)
    if found < 2:
        raise DataError(f"{held_out.name}: {found} images; int8 needs two, to calibrate on one and judge by the other")
    order = calibration_generator(seed).permutation(found)
    first = min(number, found // 2)
    calibration, judged = np.sort(order[:first]), np.sort(order[first:])
    return (
        Labelled(held_out.name, held_out.images[calibration], held_out.labels[calibration]),
        Labelled(held_out.name, held_out.images[judged], held_out.labels[judged]),
    )


def write_int8(
    model: LoadedModel,
    format_name: str,
    out: Path,
    calibration: Labelled,
    judged: Labelled,
    *,
    max_drop: float = MAX_DROP,
    max_flash: int | None = None,
    test: Labelled | None = None,
) -> Int8Export:
    """Writes a network on the CPU to an int8 file, and what is known of it to a JSON file beside, `out` with .json.

    `require_int8` and `check_format` come first. Raises EmberfieldError for a network that the format cannot express,
    ConstraintError for a file of more than `max_flash` bytes, AccuracyError if int8 costs more than `max_drop` points
    of the `judged` images, and SaveError for a file that cannot be written; `out` is then as it was. The `test` images
    change nothing.
    """
    chosen = FORMATS[format_name]
    content = int8_content(model, format_name, calibration.images)
    if max_flash is not None and len(content) > max_flash:
        raise ConstraintError(
            f"the int8 file of {model.source} has {len(content):,} bytes, more than its max_flash of {max_flash:,}"
        )
    int8 = chosen.read(content)
    held_out = accuracies(model, int8, judged)
    if not held_out.drop <= max_drop:
        raise AccuracyError(
            f"int8 costs {held_out.drop:.2f} points of accuracy, more than --max-drop {max_drop:g}: "
            f"{100 * held_out.float32:.2f} % of {held_out.images:,} images in float32, {100 * held_out.int8:.2f} % in "
            f"int8 ({held_out.name})"
        )
    done = Int8Export(
        calibrated_on=calibration.name,
        calibration_images=len(calibration.labels),
        max_drop=max_drop,
        held_out=held_out,
        test=accuracies(model, int8, test) if test else None,
    )
    described = file_metadata(model.metadata, chosen.images, of_bytes=True)
    known = {
        "format": format_name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **{name: json.loads(value) for name, value in described.items()},
        "int8": dataclasses.asdict(done) | {"drop": held_out.drop},
    }
    try:
        write_bytes(out, content)
        write_bytes(out.with_name(f"{out.name}.json"), f"{json.dumps(known, indent=2)}\n".encode())
    except OSError as error:
        raise SaveError(f"cannot write {out}: {error.strerror}") from error
    return done


@torch.no_grad()
def accuracies(model: LoadedModel, int8: Callable[[Tensor], Tensor], on: Labelled, batch_size: int = 128) -> Accuracies:
    """Of a network on the CPU in PyTorch, and of what was made from it, which takes uint8 (N, H, W, C)."""
    correct = torch.zeros(2, dtype=torch.int64)
    for start in range(0, len(on.labels), batch_size):
        batch = torch.from_numpy(on.images[start : start + batch_size].copy())
        labels = torch.from_numpy(on.labels[start : start + batch_size].copy())
        logits = model.network(normalize(batch, model.metadata.statistics)), int8(batch)
        correct += torch.stack([(found.argmax(1) == labels).sum() for found in logits])
    float32, quantized = (correct.double() / len(on.labels)).tolist()
    return Accuracies(on.name, len(on.labels), float32, quantized)


def int8_content(model: LoadedModel, format_name: str, calibration: Images) -> bytes:
    """The content of an int8 file of a network on the CPU, calibrated on images (N, H, W, C).

    Raises EmberfieldError for a network that the format cannot express.
    """
    write = FORMATS[format_name].write_int8
    assert write, format_name
    return write(model.network, model.metadata, calibration)


def require_int8(format_name: str) -> None:
    """Raises EmberfieldError for a format that has no int8."""
    if format_name in FORMATS and not FORMATS[format_name].write_int8:
        valid = [name for name, known in FORMATS.items() if known.write_int8]
        raise EmberfieldError(f"there is no int8 for {format_name}; valid: {', '.join(valid)}")
