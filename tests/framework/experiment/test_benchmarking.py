"""The command `benchmark`, in the runtimes of the default environment; test_devices has the others."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from framework.errors import RunDirectoryError
from framework.experiment.benchmarking import benchmark
from framework.experiment.reporting import read_benchmark
from framework.export.benchmark import Prepared, timed
from framework.export.int8 import Labelled
from recipes.s7_cifar import EXPERIMENT
from tests.framework.experiment.running import run


def test_a_run_is_timed_and_judged_by_what_it_held_out(finished: tuple[Path, str], tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    result = run("benchmark", finished[0], "--rounds", "3", "--out", tmp_path / "benchmark.json")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.output.splitlines()[1:5]] == ["runtime", "PyTorch", "ONNX", "ONNX"]
    assert "of the images that finished held out of digits\n" in result.output
    found = json.loads((tmp_path / "benchmark.json").read_text())
    by_name = {(row["runtime"], row["precision"]): row for row in found["rows"]}
    plain, exported = by_name["PyTorch", "float32"], by_name["ONNX Runtime", "float32"]
    int8 = by_name["ONNX Runtime", "int8"]
    assert plain["bytes"] is None and plain["accuracy"] == exported["accuracy"]
    assert int8["bytes"] < exported["bytes"] / 2 and 0 <= int8["accuracy"] <= 1
    assert all(0 < row["median_ms"] <= row["p95_ms"] and row["cpu_ms"] > 0 for row in by_name.values())
    assert torch.get_num_threads() == threads


def test_the_report_of_a_run_shows_what_was_measured_last(finished: tuple[Path, str], tmp_path: Path) -> None:
    out = tmp_path / "copied"
    shutil.copytree(finished[0], out)
    assert run("benchmark", out, "--rounds", "1").exit_code == 0
    found = json.loads((out / "benchmark.json").read_text())
    assert run("report", out).exit_code == 0
    text = (out / "report" / "report.md").read_text()
    shown = re.findall(r"^\| (PyTorch|ONNX Runtime) \| (float32|int8) \| +([\d.]+) \|", text, re.MULTILINE)
    assert shown == [(row["runtime"], row["precision"], f"{row['median_ms']:.3f}") for row in found["rows"]]
    assert "of the images that copied held out of digits" in text


KEPT = {"weights_sha256": "", "judged": None, "rows": [], "left_out": [], "environment": {"cpu": None}}
ALTERED = ({"rows": [{"runtime": "LiteRT"}]}, {"rows": 1}, {"judged": 7}, {"environment": []}, {"left_out": [1]})


@pytest.mark.parametrize("content", ["{}", "[]", "{", *(json.dumps(KEPT | altered) for altered in ALTERED)])
def test_a_file_that_is_not_its_own_is_named(content: str, tmp_path: Path) -> None:
    file = tmp_path / "benchmark.json"
    assert read_benchmark(file) is None
    file.write_text(content)
    with pytest.raises(RunDirectoryError, match=f"{re.escape(str(file))} cannot be read: .*again"):
        read_benchmark(file)
    file.write_text(json.dumps(KEPT))
    assert read_benchmark(file) == KEPT  # the control


def test_figures_that_cannot_be_kept_are_shown(finished: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    result = run("benchmark", finished[0], "--rounds", "1", "--out", tmp_path / "folder.json")
    assert result.exit_code == 9 and "cannot write" in result.stderr and "PyTorch  " in result.stderr


def test_without_images_there_is_no_accuracy_and_the_reason_is_said() -> None:
    said = benchmark(EXPERIMENT, "c1c2c3c40", rounds=1)
    assert said.judged is None and {row.accuracy for row in said.rows} == {None}
    assert said.left_out[0].startswith("no accuracy, and int8 calibrated on noise: ")
    lines = str(said).splitlines()
    assert len(lines) == 2 + len(said.rows) + len(said.left_out)


def test_images_that_do_not_fit_are_refused() -> None:
    result = run("benchmark", "c1c2c3c40", "--calibration", "digits")
    assert result.exit_code == 3 and "digits has the classes 0, 1" in result.stderr


def test_the_networks_take_turns_and_the_first_round_and_image_do_not_count() -> None:
    turns: list[str] = []

    def named(name: str) -> Prepared:
        def logits(images: Tensor) -> Tensor:
            turns.append(name)
            return torch.eye(2)[images[:, 0, 0, 0].long()]

        return Prepared(name, "float32", logits, torch.clone)

    image = np.zeros((4, 4, 1), np.uint8)
    labels = np.array([0, 1, 1, 1])
    judged = Labelled("four", np.stack([image, image, image + 1, image + 1]), labels)
    rows = timed([named("a"), named("b")], image, judged, rounds=2)
    assert turns == ["a", "a", "b", "b"] * 3 + ["a", "b"]
    assert [row.accuracy for row in rows] == [0.75, 0.75]
