"""The command line as a user meets it: on the digits, in a directory of its own, with real exit codes."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from framework.checkpoint.file_format import load_checkpoint, save_checkpoint
from framework.config import ConstraintsConfig
from framework.inspection.constraints import FORBIDDABLE, REQUIRABLE
from recipes.s7_cifar import DEFAULTS
from tests.framework.experiment.running import QUICK, ROOT, run, run_killed_after, snapshot
from tests.framework.run.event_files import points, shown

LAST = "checkpoints/step-000000012.pt"
"""The newest checkpoint of the finished run."""

BROKEN = ["strided convolutions", "max pooling"]
"""What c1c2c3c40_maxpool breaks of the recipe's constraints."""


def test_a_run_prints_its_figures(finished: tuple[Path, str]) -> None:
    folder, output = finished
    results = json.loads((folder / "results.json").read_text())
    lines = output.splitlines()
    assert lines[0] == "data digits: 1,294 training, 143 validation, 360 test images, 10 classes"
    assert lines[1] == "network c1c2c3c40: 32x32 pixels, 184,762 parameters, 8 of 8 constraints hold"
    assert lines[3] == f"run directory {folder}" and lines[4].startswith("epoch 1/2  loss ")
    assert all(len(line) <= 80 for line in lines if line.startswith("epoch "))
    assert f"run {folder}" in lines
    assert "data digits" in lines
    assert "A dry run: every epoch and every test was cut off after 6 batches." in lines
    assert f"test accuracy {100 * results['test_accuracy']:.2f} %" in lines
    assert "parameters 184,762" in lines
    assert "receptive field 67" in lines
    assert any(line.startswith("validation accuracy ") for line in lines)


def test_a_run_directory_holds_what_was_done(finished: tuple[Path, str]) -> None:
    folder, output = finished
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "augmented_samples.png",
        ".lock",
        "best.pt",
        "checkpoints",
        "config.json",
        "curves.png",
        "environment.json",
        "metrics.csv",
        "log.jsonl",
        "network.txt",
        "results.json",
        "source",
        "tensorboard",
        "torchsummary.txt",
        "training.log",
        "transforms.py",
        "weights.safetensors",
    }
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["metadata"]["data"] == "digits"
    assert len(environment["metadata"]["data_hash"]) == 64
    assert [transform["name"] for transform in environment["transforms"]] == [
        "HorizontalFlip",
        "ShiftScaleRotate",
        "CoarseDropout",
    ]
    assert environment["packages"]["torch"]
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert all("val_accuracy" in record for record in records)
    assert (folder / "training.log").read_text() in output
    assert "Total params: 184,762" in (folder / "torchsummary.txt").read_text()
    for picture in ("augmented_samples.png", "curves.png"):
        assert cv2.imread(str(folder / picture)) is not None
    curves, results = points(folder / "tensorboard"), json.loads((folder / "results.json").read_text())
    assert [step for step, _ in curves["train", "loss"]] == [step for step, _ in curves["validation", "loss"]] == [1, 2]
    assert curves["test", "accuracy"] == [(results["reported_epoch"], pytest.approx(results["test_accuracy"]))]
    assert {(".", "_hparams_/session_start_info"), ("train", "augmented samples")} <= set(shown(folder / "tensorboard"))
    code = folder / "source" / "architectures" / "c1c2c3c40.py"
    assert code.read_text() == (ROOT / "architectures" / "c1c2c3c40.py").read_text()
    assert json.loads((folder / "config.json").read_text())["training"]["epochs"] == 2


def test_evaluate_gives_the_reported_figure(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    whole = run("evaluate", "--checkpoint", folder, "--data", "digits", "--device", "cpu")
    assert whole.exit_code == 0
    assert "data digits, 360 test images" in whole.output
    reported = json.loads((folder / "results.json").read_text())["test_accuracy"]
    assert f"test accuracy {100 * reported:.2f} %" in whole.output.splitlines()


def test_predict_names_a_class_for_each_image(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = finished
    images = []
    for number, size in enumerate((8, 50)):
        images.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(images[-1]), np.full((size, size, 3), 100 * number, np.uint8))
    result = run("predict", "--checkpoint", folder / "best.pt", *images)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split("  ")[0] for line in lines] == [str(image) for image in images]
    assert all(line.split("  ")[1] in "0123456789" and line.endswith(" %") for line in lines)
    (tmp_path / "broken.png").write_bytes(b"no image")
    broken = run("predict", "--checkpoint", folder, tmp_path / "broken.png")
    assert broken.exit_code == 3
    assert "broken.png is not an image" in broken.output


def test_a_finished_run_started_again_says_so_and_changes_nothing(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    before = snapshot(folder)
    result = run(*QUICK, "--epochs", "2", "--out", folder, "--resume")
    assert result.exit_code == 0
    accuracy = json.loads((folder / "results.json").read_text())["test_accuracy"]
    assert result.output == f"{folder} is finished: test accuracy {100 * accuracy:.2f} %\n"
    assert snapshot(folder) == before


def test_resume_after_the_first_epoch_equals_an_uninterrupted_run(finished: tuple[Path, str], tmp_path: Path) -> None:
    """The state after epoch 1 is what a process killed in epoch 2 leaves; the resume has another process's state."""
    whole = load_checkpoint(finished[0] / LAST)
    assert run_killed_after(6, *QUICK, "--epochs", "2", "--out", str(tmp_path / "run")) == -9
    assert len(load_checkpoint(tmp_path / "run" / "checkpoints" / "step-000000006.pt")["history"]) == 1
    resumed = run("--out", tmp_path / "run", "--resume")
    assert resumed.exit_code == 0, resumed.output
    said = resumed.output.splitlines()[4:6]
    assert said[0] == "going on from step-000000006.pt" and said[1].startswith("epoch 2/2")
    parts = load_checkpoint(tmp_path / "run" / LAST)
    assert whole["model"].keys() == parts["model"].keys()
    assert all(torch.equal(whole["model"][name], parts["model"][name]) for name in whole["model"])
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--lr", "0.5"), "lr was 0.1 and is now 0.5"),
        (("--precision", "bfloat16"), "precision was 'float32' and is now 'bfloat16'"),
        (("--batch-size", "16"), "batch_size was 32 and is now 16"),
        (("--arch", "c1c2c3c40_dilated"), "arch was 'c1c2c3c40' and is now 'c1c2c3c40_dilated'"),
        (("--epochs", "3", "--seed", "1"), "epochs was 2 and is now 3; seed was 0 and is now 1"),
    ],
)
def test_a_resume_with_other_settings_is_refused_by_name(
    finished: tuple[Path, str], changes: tuple[str, ...], message: str
) -> None:
    folder, _ = finished
    before = snapshot(folder)
    result = run("--out", folder, "--resume", *changes)
    assert result.exit_code == 4
    assert message in result.output
    assert snapshot(folder) == before


def test_a_resume_with_other_data_is_refused(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "begun"
    shutil.copytree(finished[0], folder)
    (folder / "results.json").unlink()
    data = tmp_path / "other.npz"
    np.savez(
        data,
        x_train=np.zeros((400, 32, 32, 3), np.uint8),
        y_train=np.arange(400) % 10,
        x_test=np.zeros((10, 32, 32, 3), np.uint8),
        y_test=np.arange(10),
    )
    before = snapshot(folder)
    settings = json.loads((folder / "config.json").read_text())
    settings["data"] |= {"data": str(data)}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    result = run("--out", folder, "--resume", "--config", tmp_path / "config.json")
    assert result.exit_code == 4
    assert "it was trained on digits, and other differs" in result.output
    assert snapshot(folder) == before


def test_a_used_directory_is_refused_without_resume(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    before = snapshot(folder)
    result = run(*QUICK, "--out", folder)
    assert result.exit_code == 4
    assert "is not empty: add --resume" in result.output
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--arch", "c1c2c3c4"), 2, "unknown architecture 'c1c2c3c4', did you mean 'c1c2c3c40'"),
        (("--arch-options", '{"depht": 3}'), 2, "has no option 'depht', did you mean 'depths'"),
        (("--arch-options", "3"), 2, "'3' is not JSON, nor one value a name as in norm=group,depth=3"),
        (("--arch-options", "[3]"), 2, "is not a json object"),
        (("--transforms", '[{"name": "HorizontalFlop"}]'), 2, "did you mean 'HorizontalFlip'"),
        (("--transforms", '[{"name": "CoarseDropout", "max_hole": 1}]'), 2, "did you mean 'max_holes'"),
        (("--epochs", "0"), 2, "epochs is 0; the smallest valid value is 1"),
        (("--val-size", "5000"), 2, "val_size 5000 leaves nothing to train on"),
        (("--nonsense",), 2, "No such option"),
        (("--resume",), 2, "--resume needs --out"),
        (("--config", "none.json"), 2, "cannot read the configuration none.json"),
        (("--data", "nowhere"), 3, "there is no data at nowhere"),
        (("--batch-size", "5000"), 3, "a batch of 5000 needs more than the"),
        (("--arch", "c1c2c3c40_maxpool"), 8, "max pooling: 3, has to be none"),
        (("--strided-convs", "2"), 8, "strided convolutions: 3, has to be exactly 2"),
        (("--requires", '["dilatde"]'), 2, "unknown requires 'dilatde', did you mean 'dilated'"),
        (("--requires", "[3]"), 2, "it takes a list of texts"),
        (("--min-coverage", "1.5"), 2, "min_coverage is 1.5; the largest valid value is 1.0"),
        (("--arch-options", '{"width": 1.5}'), 8, "has to be at most 199,999"),
        (("--lr", "1e30"), 7, "training stopped before this step changed the weights"),
    ],
)
def test_bad_input_is_one_clear_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = QUICK if "--data" not in arguments else QUICK[2:]
    result = run("train", *quick, "--epochs", "2", *arguments)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output
    assert "terminating due to exception" not in caplog.text
    if code == 2 and arguments[0] in ("--epochs", "--config"):
        assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_absent_cuda_is_named(tmp_path: Path) -> None:
    result = run(*QUICK, "--device", "cuda", "--out", tmp_path / "run")
    assert result.exit_code == 6
    assert "this machine has no CUDA device" in result.output


def test_checkpoints_that_cannot_be_used_are_named(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = finished
    other = run("evaluate", "--checkpoint", folder, "--data", "digits", "--arch", "c1c2c3c40_reference")
    assert other.exit_code == 5
    assert "holds 'c1c2c3c40', not 'c1c2c3c40_reference'" in other.output
    state = load_checkpoint(folder / LAST)
    state["metadata"]["arch"] = "c1c2c3c40_reference"
    save_checkpoint(tmp_path / "swapped.pt", state)
    swapped = run("evaluate", "--checkpoint", tmp_path / "swapped.pt", "--data", "digits")
    assert swapped.exit_code == 5
    assert "is of another architecture" in swapped.output
    assert run("evaluate", "--checkpoint", tmp_path, "--data", "digits").exit_code == 5
    (tmp_path / "bad.pt").write_bytes((folder / LAST).read_bytes()[:-1000])
    damaged = run("predict", "--checkpoint", tmp_path / "bad.pt", "x.png")
    assert damaged.exit_code == 5
    assert "damaged" in damaged.output


def test_unconstrained_trains_what_the_gate_refuses_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = run(*QUICK, "--epochs", "1", "--arch", "c1c2c3c40_maxpool", "--no-constraints", "--out", folder)
    assert result.exit_code == 0
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["no_constraints"] is True
    assert [line["name"] for line in environment["constraints"] if not line["holds"]] == BROKEN


def test_holdout_0_trains_on_everything_and_reports_the_last_epoch(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = run(*QUICK, "--epochs", "1", "--val-size", "0", "--out", folder)
    assert result.exit_code == 0
    assert "validation accuracy none: no images held out" in result.output
    assert not (folder / "best.pt").exists()
    assert json.loads((folder / "environment.json").read_text())["training_images"] == 1437


def test_resume_of_an_empty_directory_starts_fresh(tmp_path: Path) -> None:
    result = run(*QUICK, "--epochs", "1", "--out", tmp_path / "run", "--resume")
    assert result.exit_code == 0
    assert result.output.splitlines()[4].startswith("epoch 1/1")


def test_config_file_then_command_line(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"training": {"epochs": 7, "seed": 5}}))
    folder = tmp_path / "run"
    result = run(*QUICK, "--config", tmp_path / "mine.json", "--epochs", "1", "--out", folder)
    assert result.exit_code == 0
    saved = json.loads((folder / "config.json").read_text())["training"]
    assert (saved["epochs"], saved["seed"]) == (1, 5)


def test_the_default_run_is_not_cut_by_its_patience() -> None:
    """Even if no epoch improved, patience would run out only after the last epoch."""
    training = DEFAULTS.training
    counted = [epoch for epoch in range(1, training.epochs + 1) if epoch > training.patience_from * training.epochs]
    assert training.patience is not None
    assert len(counted) - 1 < training.patience


def test_summary_list_doctor_and_help() -> None:
    summary = run("summary")
    assert summary.exit_code == 0
    assert "Total params: 184,762" in summary.output
    assert "✓  receptive field" in summary.output
    as_data = json.loads(run("summary", "--json", "--arch", "c1c2c3c40_maxpool").stdout)
    assert [line["name"] for line in as_data["constraints"] if not line["holds"]] == BROKEN
    listed = run("list").output
    assert "c1c2c3c40_reference" in listed
    assert "--arch c1c2c3c40 --pretrained" in listed
    assert "--data cifar10" in listed
    checked = run("doctor")
    assert "torch with torchvision" in checked.output
    assert run("--help").exit_code == run("train", "--help").exit_code == 0


def test_the_settings_name_the_kinds_of_layer_that_can_be_judged() -> None:
    choices = {field.name: field.metadata["choices"] for field in dataclasses.fields(ConstraintsConfig)}
    assert set(choices["requires"]) == set(REQUIRABLE)
    assert set(choices["forbids"]) == set(FORBIDDABLE)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nimport recipes.s7_cifar\n"
        "heavy = {'torch', 'ignite', 'albumentations', 'matplotlib', 'sklearn', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recipes.s7_cifar", "--epochs", "none"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not a valid integer" in done.stderr
