"""Runs that commit edbacf6 wrote, under its own names: every command reads them but a resume, which is refused.

The runs are in tests/fixtures/edbacf6, with what that commit's own commands said of them in expected.json.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from recipes.s7_cifar import main

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "edbacf6"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
IMAGES = sorted((FIXTURES / "images").iterdir())
COMMIT = "edbacf6"
RUNS = ("finished", "unfinished")
SOAK = bool(os.environ.get("EMBERFIELD_SOAK"))


def run(*arguments: str | Path, code: int = 0) -> Result:
    """The result of a command that has to end with a code; an exception that is not an exit code is raised."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every name in a folder, hidden ones too, with a file's content."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with copies of the runs."""
    for name in RUNS:
        shutil.copytree(FIXTURES / name, tmp_path / "runs" / name)
    return tmp_path / "runs"


@pytest.mark.parametrize("network", EXPECTED)
@pytest.mark.parametrize(("options", "figure"), [((), "test_accuracy"), (("--tta", "flip"), "flip_accuracy")])
def test_evaluate_gives_the_old_figures_and_changes_nothing(
    runs: Path, network: str, options: tuple[str, ...], figure: str
) -> None:
    before, expected = snapshot(runs), EXPECTED[network]
    result = run("evaluate", "--checkpoint", runs / network, "--data", "digits", "--device", "cpu", *options)
    (loss,) = re.findall(r"test loss ([\d.]+)", result.output)
    (accuracy,) = re.findall(r"test accuracy ([\d.]+) %", result.output)
    assert float(accuracy) / 100 == pytest.approx(expected[figure], abs=1e-4)
    if not options:
        assert float(loss) == pytest.approx(expected["test_loss"], abs=2e-4)
    assert snapshot(runs) == before


@pytest.mark.parametrize("network", EXPECTED)
def test_predict_gives_the_old_classes_and_confidences(runs: Path, network: str) -> None:
    before = snapshot(runs)
    result = run("predict", "--checkpoint", runs / network, "--device", "cpu", *IMAGES)
    lines = result.output.splitlines()
    assert len(lines) == len(IMAGES) == 3
    for line, image in zip(lines, IMAGES, strict=True):
        expected = EXPECTED[network]["predictions"][f"images/{image.name}"]
        _, class_name, confidence = line.removesuffix(" %").split("  ")
        assert class_name == expected["class"], line
        assert float(confidence) / 100 == pytest.approx(expected["confidence"], abs=1.1e-3), line
    assert snapshot(runs) == before


@pytest.mark.parametrize("network", RUNS)
def test_an_exported_network_predicts_the_same(runs: Path, tmp_path: Path, network: str) -> None:
    before, out = snapshot(runs), tmp_path / "network.pt2"
    run("export", "--checkpoint", runs / network, "--format", "torch", "--out", out)
    images = np.stack([cv2.imread(str(image), cv2.IMREAD_COLOR_RGB) for image in IMAGES])
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    confidences, classes = torch.export.load(out).module()(batch).softmax(1).max(1)
    for image, number, confidence in zip(IMAGES, classes.tolist(), confidences.tolist(), strict=True):
        expected = EXPECTED[network]["predictions"][f"images/{image.name}"]
        assert (str(number), confidence) == (expected["class"], pytest.approx(expected["confidence"], abs=1e-3))
    assert snapshot(runs) == before


@pytest.mark.parametrize(("network", "epochs"), [("finished", "2 of 2"), ("unfinished", "1 of 3")][not SOAK :])
def test_a_report_has_the_old_figures(runs: Path, tmp_path: Path, network: str, epochs: str) -> None:
    before = snapshot(runs)
    run("report", runs / network, "--out", tmp_path / "report", "--device", "cpu")
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert f"{100 * EXPECTED[network]['test_accuracy']:.2f} % of 360 images" in text
    assert "3,554" in text
    assert f"| epochs | {epochs}, batches of 16 |" in text
    assert (runs / network / "training.log").read_text(encoding="utf-8").rstrip() in text
    model = (tmp_path / "report" / "model.py").read_text(encoding="utf-8")
    exec(compile(model, "model.py", "exec"), namespace := {"__name__": "model"})  # the network, from the run's sources
    assert model.rstrip() in text and sum(p.numel() for p in namespace["network"].parameters()) == 3_554
    if network == "unfinished":
        (teacher,) = (line for line in text.splitlines() if line.startswith("|") and " 0.7 " in line)
        assert "finished" in teacher
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    assert snapshot(runs) == before


@pytest.mark.parametrize("network", ["finished", "unfinished/teacher.pt"])
def test_an_old_network_teaches_a_new_one(runs: Path, tmp_path: Path, network: str) -> None:
    """Named as a run or as the copy that a run kept; the new run's own copy gives the teacher's figures."""
    before, out = snapshot(runs), tmp_path / "new"
    run(
        *("train", "--data", "digits", "--device", "cpu", "--precision", "float32", "--out", out),
        *("--arch", "c1c2c3c40", "--arch-options", '{"widths": [4, 8, 8, 16]}', "--batch-size", "16"),
        *("--epochs", "1", "--limit-batches", "2", "--val-size", "145", "--distill-alpha", "0.5"),
        *("--distill-temperature", "2", "--teacher", runs / network),
    )
    (kept,) = out.rglob("teacher*.pt")
    result = run("evaluate", "--checkpoint", kept, "--data", "digits", "--device", "cpu")
    (loss,) = re.findall(r"test loss ([\d.]+)", result.output)
    assert float(loss) == pytest.approx(EXPECTED["finished"]["test_loss"], abs=2e-4)
    assert snapshot(runs) == before


@pytest.mark.parametrize("options", [(), ("--epochs", "3")])
def test_a_resume_is_refused_and_nothing_in_the_folder_changes(runs: Path, options: tuple[str, ...]) -> None:
    before = snapshot(runs)
    times = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    result = run("train", "--resume", "--out", runs / "unfinished", *options, code=4)
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and COMMIT in line and str(runs / "unfinished") in line
    assert snapshot(runs) == before
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == times


@pytest.mark.parametrize(
    ("options", "code", "says"), [((), 0, "is finished: test accuracy 70.28 %"), (("--epochs", "4"), 4, "error: ")]
)
def test_a_resume_of_a_finished_run_changes_nothing(runs: Path, options: tuple[str, ...], code: int, says: str) -> None:
    before = snapshot(runs)
    result = run("train", "--resume", "--out", runs / "finished", *options, code=code)
    assert says in result.output and str(runs / "finished") in result.output
    assert snapshot(runs) == before
