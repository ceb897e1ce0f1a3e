"""How long a network takes for one image in each runtime on this machine, how large it is there, and how accurate."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from framework.checkpoint.loaded_model import LoadedModel
from framework.data.image_data import Images
from framework.data.statistics import normalizer
from framework.errors import DeviceError, EmberfieldError
from framework.export.formats import FORMATS, Format, require_installed
from framework.export.int8 import Labelled, int8_content
from framework.seeding import calibration_generator

ROUNDS = 100
"""Images that each runtime is timed on, unless the user says another number."""


@dataclass(frozen=True)
class Prepared:
    """A network in a runtime: what takes uint8 images (N, H, W, C) to logits, and the bytes of its file.

    `pixels` turns such images into what `logits` takes; it is not timed.
    """

    runtime: str
    precision: str
    logits: Callable[[Tensor], Tensor]
    pixels: Callable[[Tensor], Tensor]
    bytes: int | None = None


@dataclass(frozen=True)
class Timed:
    """Milliseconds for one image, median and 95th percentile, and the share of images that are classified right.

    `cpu_ms` is the median of the processor time, which other programs on the machine change less.
    """

    runtime: str
    precision: str
    median_ms: float
    p95_ms: float
    cpu_ms: float
    bytes: int | None
    accuracy: float | None


def prepare(model: LoadedModel, calibration: Images) -> tuple[list[Prepared], list[str]]:
    """A network on the CPU in every installed runtime, in float32 and int8, and a line on each that is left out."""
    normalized = normalizer(model.metadata.statistics, torch.device("cpu"))
    found, left_out = [Prepared("PyTorch", "float32", lambda x: model.network(normalized(x)), torch.clone)], []
    for name, chosen in FORMATS.items():
        if not chosen.runtime:
            continue
        try:
            require_installed(chosen)
        except DeviceError as error:
            left_out.append(f"{chosen.runtime}: {error}")
            continue
        for precision in ("float32", "int8"):
            try:
                found.append(_exported(model, name, chosen, precision, calibration))
            except EmberfieldError as error:
                left_out.append(f"{chosen.runtime}, {precision}: {error}")
    return found, left_out


def _exported(model: LoadedModel, name: str, chosen: Format, precision: str, calibration: Images) -> Prepared:
    if precision == "int8":
        content = int8_content(model, name, calibration)
        return Prepared(chosen.runtime, precision, chosen.read(content), torch.clone, len(content))
    content = chosen.write(model.network, model.metadata)
    return Prepared(chosen.runtime, precision, chosen.read(content), planes, len(content))


def planes(images: Tensor) -> Tensor:
    """uint8 images (N, H, W, C) as an exported network in float32 takes them: (N, C, H, W), from 0 to 1."""
    return (images.permute(0, 3, 1, 2) / 255).contiguous()


def noise(model: LoadedModel) -> Images:
    """Eight images (8, H, W, C) to calibrate by where only latency is asked for, which no range changes."""
    channels, *size = model.metadata.input_shape
    return calibration_generator(0).integers(0, 256, (8, *size, channels), "uint8")


@torch.no_grad()
def timed(networks: Sequence[Prepared], image: Images, judged: Labelled | None, rounds: int = ROUNDS) -> list[Timed]:
    """Times the networks on an image (H, W, C), one after the other in each round, and judges them by other images.

    So a machine that is busy for a while slows all of them down. At its turn a network first takes the image once
    untimed, and has the processor's caches as where it runs alone. A round before the first is not counted.
    """
    batch = torch.from_numpy(image[None].copy())
    inputs = [network.pixels(batch) for network in networks]
    seconds = np.zeros((1 + rounds, len(networks), 2))
    for row in seconds:
        for place, (network, pixels) in enumerate(zip(networks, inputs, strict=True)):
            network.logits(pixels)
            start = time.perf_counter(), time.process_time()
            network.logits(pixels)
            row[place] = np.subtract((time.perf_counter(), time.process_time()), start)
    median, p95 = np.percentile(1000 * seconds[1:], [50, 95], axis=0)
    return [
        Timed(
            runtime=network.runtime,
            precision=network.precision,
            median_ms=float(median[place, 0]),
            p95_ms=float(p95[place, 0]),
            cpu_ms=float(median[place, 1]),
            bytes=network.bytes,
            accuracy=_accuracy(network, judged),
        )
        for place, network in enumerate(networks)
    ]


def _accuracy(network: Prepared, judged: Labelled | None) -> float | None:
    if judged is None:
        return None
    right = sum(int((network.logits(network.pixels(x)).argmax(1) == y).sum()) for x, y in _batches(judged))
    return right / len(judged.labels)


def _batches(labelled: Labelled, size: int = 128) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(labelled.labels), size):
        part = slice(start, start + size)
        yield torch.from_numpy(labelled.images[part].copy()), torch.from_numpy(labelled.labels[part].copy())
