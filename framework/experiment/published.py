"""A record's folder: what its runs leave in it, and whether published weights still give its figures."""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.errors import DifferenceError, EmberfieldError, RunDirectoryError
from framework.experiment.stages import Record
from framework.report.comparison import Spread
from framework.report.markdown import table
from framework.run.code_version import CodeVersion
from framework.run.directory import write_json, write_text

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment
    from framework.experiment.run import Run

logger = logging.getLogger(__name__)

TOLERANCE = 0.02
"""By how many points of the test accuracy another machine may differ."""

KEPT = ("test_accuracy", "epochs", "parameters", "multiply_adds", "training_seconds", "precision", "exact")
"""The figures of a run that stand in record.json."""


def publish(folder: Path, trained: "Mapping[str, Sequence[Run]]", code: CodeVersion) -> None:
    """Copies configuration, environment, log and results of finished runs to STAGE/seed-N of a record's folder.

    Beside them record.json has the version of the code, and for each run figures, commit, device and the SHA-256 of its
    weights; FIGURES.md has them as a table. Stages and seeds that were published before stay. Raises RunDirectoryError
    where that cannot be written.
    """
    file = folder / "record.json"
    try:
        before = json.loads(file.read_text(encoding="utf-8"))["stages"] if file.is_file() else {}
        stages = before | {
            stage: _stage(folder / stage, before.get(stage, {"runs": {}}), runs) for stage, runs in trained.items()
        }
        write_json(file, {**asdict(code), "stages": stages})
        write_text(folder / "FIGURES.md", figures(folder.resolve().name, stages))
    except (OSError, ValueError, KeyError) as error:
        raise RunDirectoryError(f"cannot write the record into {folder}: {error}") from error
    logger.info("%s", folder)


def figures(name: str, stages: Mapping[str, Any]) -> str:
    """The content of FIGURES.md, from that of record.json."""
    means, rows = [], []
    for stage, content in stages.items():
        mean, deviation = (content["test_accuracy"][name] for name in ("mean", "deviation"))
        spread = "" if deviation is None else f" ± {100 * deviation:.2f}"
        means.append((stage, str(len(content["runs"])), f"{100 * mean:.2f} %{spread}"))
        for seed, run in content["runs"].items():
            accuracy, seconds = f"{100 * run['test_accuracy']:.2f} %", f"{run['training_seconds']:.0f} s"
            counts = f"{run['parameters']:,}", f"{run['multiply_adds'] / 1e6:.1f}M"
            exact = "yes" if run["exact"] else "no"
            source = run["device"], run["commit"][:8], run["weights_sha256"]
            rows.append((stage, seed, accuracy, str(run["epochs"]), *counts, seconds, exact, *source))
    columns = (
        "epochs",
        "parameters",
        "multiply-adds",
        "training",
        "exact",
        "device",
        "commit",
        "SHA-256 of the weights",
    )
    parts = (
        f"# {name}: figures",
        "Of the test images, of the network that each run reports. Written by the record's command.",
        table(("stage", "seeds", "test accuracy"), means),
        table(("stage", "seed", "test accuracy", *columns), rows),
    )
    return "\n\n".join(parts) + "\n"


def verify(
    experiment: "Experiment", folder: Path, record: Record, *, data: str | None, device: str
) -> dict[str, tuple[float, float]]:
    """The test accuracy of each of the record's published weights, now and in the results of its run.

    Raises EmberfieldError for a record without weights, DifferenceError for one that differs by more than TOLERANCE
    points.
    """
    if not record.weights:
        raise EmberfieldError(f"{folder} has no published weights")
    found = {}
    for name, run in record.weights.items():
        try:
            results = json.loads((folder / run / "results.json").read_text(encoding="utf-8"))
            expected = float(results["test_accuracy"])
        except (OSError, ValueError, KeyError) as error:
            raise RunDirectoryError(f"{folder / run} has no results: {error}") from error
        accuracy = experiment.evaluate(name, data=data, device=device)["accuracy"]
        logger.info("%s: %.2f %%; %s: %.2f %%", name, 100 * accuracy, folder / run, 100 * expected)
        if abs(100 * accuracy - 100 * expected) > TOLERANCE + 1e-6:
            raise DifferenceError(
                f"{name} has {100 * accuracy:.2f} % and not {100 * expected:.2f} %, within {TOLERANCE} points"
            )
        found[name] = accuracy, expected
    return found


def _stage(folder: Path, before: Mapping[str, Any], runs: "Sequence[Run]") -> dict[str, Any]:
    found = before["runs"] | {str(run.results["seed"]): _run(folder, run) for run in runs}
    spread = Spread.of([run["test_accuracy"] for run in found.values()])
    return {"test_accuracy": asdict(spread), "runs": dict(sorted(found.items()))}


def _run(folder: Path, run: "Run") -> dict[str, Any]:
    """Copies a run's files, and gives what record.json says of it."""
    files = run.directory
    (target := folder / run.path.name).mkdir(parents=True, exist_ok=True)
    for file in (files.config, files.environment, files.log, files.results):
        shutil.copyfile(file, target / file.name)
    environment = json.loads(files.environment.read_text(encoding="utf-8"))
    return {
        **{name: run.results[name] for name in KEPT},
        "commit": environment["commit"],
        "device": ", ".join(environment["cuda_devices"]) or environment["cpu"],
        "versions": {name: version for name, version in environment["packages"].items() if version},
        "weights_sha256": hashlib.sha256(files.weights.read_bytes()).hexdigest(),
    }
