"""The command `benchmark`, in the runtimes of the default environment; test_devices has the others."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from framework.experiment.benchmarking import benchmark
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


def test_without_images_there_is_no_accuracy_and_the_reason_is_said() -> None:
    said = benchmark(EXPERIMENT, "c1c2c3c40", rounds=1)
    assert said.judged is None and {row.accuracy for row in said.rows} == {None}
    assert said.left_out[0].startswith("no accuracy, and int8 calibrated on noise: ")
    lines = str(said).splitlines()
    assert len(lines) == 2 + len(said.rows) + len(said.left_out)


def test_images_that_do_not_fit_are_refused() -> None:
    result = run("benchmark", "c1c2c3c40", "--calibration", "digits")
    assert result.exit_code == 3 and "digits has the classes 0, 1" in result.stderr


def test_the_networks_take_turns_and_the_first_round_does_not_count() -> None:
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
    assert turns == ["a", "b"] * 3 + ["a", "b"]
    assert [row.accuracy for row in rows] == [0.75, 0.75]
