"""A network in every runtime on this machine: latency, size, memory and accuracy."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from framework.data.image_data import Named
from framework.errors import DataError, SaveError
from framework.experiment.quantization import chosen_images
from framework.export.benchmark import ROUNDS, Timed, noise, prepare, timed
from framework.export.int8 import CALIBRATION_IMAGES, Labelled
from framework.inspection.budget import int8_budget
from framework.inspection.graph import record
from framework.report.latency import HEADER, latency_rows
from framework.run.directory import RunDirectory, write_json
from framework.run.environment import describe_environment
from framework.run.given_path import given_path
from framework.run.printable import printable
from framework.run.process_state import isolated

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment


@dataclass(frozen=True)
class Benchmark:
    """A network's `rows`, and lines on what is `left_out` and why.

    `weights` is the SHA-256 of its parameters and buffers. `memory` is that of tflite-micro's plan for the int8
    network, None where an operation has no rule. `judged` is what the accuracy was measured on, None for no images.
    """

    network: str
    weights: str
    rows: Sequence[Timed]
    memory: int | None
    judged: str | None
    left_out: Sequence[str]

    def __str__(self) -> str:
        """The table, and a line for each runtime that is left out."""
        cells = [HEADER, *latency_rows(self._rows())]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        table = ["  ".join(_columns(row, widths)).rstrip() for row in cells]
        judged = [f"accuracy on {printable(self.judged)}"] if self.judged else []
        return "\n".join([f"network {self.network}", *table, *judged, *map(printable, self.left_out)])

    def as_json(self) -> dict[str, Any]:
        """Plain data for the json module: the rows with `memory_bytes`, and the machine and packages."""
        said = {"network": self.network, "weights_sha256": self.weights, "judged": self.judged}
        measured = {"left_out": list(self.left_out), "rows": self._rows()}
        return {**said, **measured, "environment": describe_environment()}

    def _rows(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(row) | {"memory_bytes": self._memory(row)} for row in self.rows]

    def _memory(self, row: Timed) -> int | None:
        return self.memory if (row.runtime, row.precision) == ("LiteRT", "int8") else None


@isolated()
def benchmark(
    experiment: "Experiment",
    network: Any,
    out: Path | str | None = None,
    *,
    data: Named = None,
    calibration: Named = None,
    rounds: int = ROUNDS,
    arch: str | None = None,
) -> Benchmark:
    """Times a network for one image on one thread in PyTorch and each installed runtime.

    `out` is a JSON file for the figures. Without it those of a run directory are kept in its benchmark.json, which its
    report shows.

    int8 is calibrated and accuracy measured on images as `export_int8` chooses them, from the run's `data` or others
    for `calibration`. Without any, int8 is calibrated on noise, which its latency does not depend on, and accuracy is
    left out. Raises as `load_network` does, and DataError for `data` or `calibration` that do not fit.
    """
    file = _kept_in(network) if out is None else given_path(out, "out")
    model = experiment.load(network, arch=arch, device="cpu")
    torch.set_num_threads(1)  # `isolated` puts it back
    judged: Labelled | None = None
    try:
        calibrated, judged = chosen_images(experiment, model, data, calibration, CALIBRATION_IMAGES, seed=0)
        images, why = calibrated.images, []
    except DataError as error:
        if data is not None or calibration is not None:
            raise
        images, why = noise(model), [f"no accuracy, and int8 calibrated on noise: {error}"]
    networks, left_out = prepare(model, images)
    budget = int8_budget(record(model.network, model.metadata.input_shape))
    found = Benchmark(
        network=str(model.source),
        weights=model.weights_sha256(),
        rows=timed(networks, images[0], judged, rounds),
        memory=budget[1].arena if budget else None,
        judged=f"{len(judged.labels):,} of {judged.name}" if judged else None,
        left_out=[*why, *left_out],
    )
    if file is not None:
        try:
            write_json(file, found.as_json())
        except OSError as error:
            raise SaveError(f"cannot write {file}: {error.strerror}; measured was\n{found}") from error
    return found


def _kept_in(network: Any) -> Path | None:
    """Where the figures of a run directory are kept; None for a network that is none."""
    files = RunDirectory(Path(network)) if isinstance(network, (str, Path)) else None
    return files.benchmark if files and files.config.is_file() else None


def _columns(row: Sequence[str], widths: Sequence[int]) -> Sequence[str]:
    """The words of a row on the left, its numbers on the right."""
    return [
        cell.ljust(width) if place < 2 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
