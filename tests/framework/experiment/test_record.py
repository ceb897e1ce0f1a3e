"""A record of stages: killed anywhere it ends equal, and what it publishes is what ran."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from framework.checkpoint.comparison import first_difference
from framework.errors import DifferenceError, EmberfieldError, RunDirectoryError
from framework.experiment import Experiment
from framework.experiment.record import estimate, make_record, read, smoke
from framework.experiment.several import train_runs
from framework.experiment.stages import STAGES
from framework.run.code_version import COMMIT
from recipes.s7_cifar import EXPERIMENT
from tests.framework.experiment.running import ROOT
from tests.framework.experiment.test_several import MINE, SMALL, newest
from tests.warm_python import warm_python

RECORDS = sorted(path.parent for path in (ROOT / "records").glob(f"*/{STAGES}"))
HELD_OUT = {"device-64k": 5000}
"""The records that train without some of the images: int8 is calibrated and chosen on those."""

SETTINGS: dict[str, Any] = {**SMALL, "val_size": 0}
STAGES_OF_TWO = {
    "settings": SETTINGS,
    "stages": {
        "teacher": {"seeds": [0, 1], "settings": {"arch_options": {"widths": [8, 8, 8, 8]}}},
        "student": {"seeds": [0, 1], "teachers": ["teacher"]},
    },
}


def declared(folder: Path, content: object = STAGES_OF_TWO) -> Path:
    """A record's folder with its declaration."""
    folder.mkdir(parents=True)
    (folder / STAGES).write_text(json.dumps(content))
    return folder


def command(*arguments: object, experiment: Experiment = MINE) -> Result:
    return CliRunner().invoke(experiment.command_line(), ["record", *map(str, arguments)])


def killed(folder: Path, out: Path, training: int, step: int) -> int:
    """The exit code of a rehearsal in a process that kills itself at a step of a training; 0 for none of both."""
    script = ["-m", "tests.framework.experiment.killed_record", "record", str(folder), "--smoke", "--out", str(out)]
    done = subprocess.run(
        [warm_python(), *script], cwd=ROOT, env={**os.environ, "KILL": f"{training} {step}"}, capture_output=True
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
    return done.returncode


def test_killed_between_and_within_stages_a_record_ends_equal(tmp_path: Path) -> None:
    folder, whole, parts = declared(tmp_path / "mine"), tmp_path / "whole", tmp_path / "parts"
    smoke(EXPERIMENT, folder, whole, device="cpu")
    assert killed(folder, parts, 1, 1) == -signal.SIGKILL  # within the teacher
    assert not (parts / "teacher" / "seed-0" / "results.json").exists()
    assert killed(folder, parts, 2, 0) == -signal.SIGKILL  # between the two
    assert (parts / "teacher" / "seed-0" / "results.json").exists()
    assert not (parts / "student" / "seed-0" / "config.json").exists()
    assert killed(folder, parts, 1, 1) == -signal.SIGKILL  # within the student
    assert (parts / "student" / "seed-0" / "config.json").exists()
    assert not (parts / "student" / "seed-0" / "results.json").exists()
    assert killed(folder, parts, 0, 0) == 0
    for stage in ("teacher", "student"):
        ours, theirs = whole / stage / "seed-0", parts / stage / "seed-0"
        assert first_difference(newest(ours), newest(theirs)) is None
        results = [json.loads((run / "results.json").read_text()) for run in (ours, theirs)]
        assert all(each.pop("training_seconds") > 0 and each["exact"] for each in results)
        assert results[0] == results[1]


def test_a_record_trains_publishes_and_is_refused_what_was_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COMMIT, "1" * 40)
    folder, out = declared(tmp_path / "records" / "mine"), tmp_path / "out"
    adopted = MINE.train(tmp_path / "teacher", seed=1, **{**SETTINGS, "arch_options": {"widths": [8, 8, 8, 8]}})
    environment = json.loads(adopted.directory.environment.read_text())
    adopted.directory.environment.write_text(json.dumps({**environment, "uncommitted_changes": True}))
    adoption = {"teacher/seed-1": adopted.path}
    with pytest.raises(RunDirectoryError, match="ran code that is not committed"):
        make_record(MINE, folder, out, adopted=adoption, data="digits")
    adopted.directory.environment.write_text(
        json.dumps({**environment, "commit": "2" * 40, "uncommitted_changes": False})
    )
    with pytest.raises(RunDirectoryError, match="teacher cannot be adopted: seed was 1 and is now 0"):
        make_record(MINE, folder, tmp_path / "other", stages=["student"], adopted={"teacher/seed-0": adopted.path})
    make_record(MINE, folder, out, seeds=[1], adopted=adoption, data="digits")
    make_record(MINE, folder, out, seeds=[0], data="digits")
    teachers = json.loads((folder / "student" / "seed-1" / "config.json").read_text())["optimization"]["teacher"]
    assert teachers == [str(out / "teacher" / f"seed-{seed}") for seed in (0, 1)]
    content = json.loads((folder / "record.json").read_text())
    assert content["commit"] == "1" * 40
    assert [run["commit"] for run in content["stages"]["teacher"]["runs"].values()][1] == "2" * 40
    accuracies = [run["test_accuracy"] for run in content["stages"]["student"]["runs"].values()]
    assert content["stages"]["student"]["test_accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
    assert f"| student | 2 | {100 * np.mean(accuracies):.2f} % ±" in (folder / "FIGURES.md").read_text()
    kept = {path.name for path in (folder / "student" / "seed-0").iterdir()}
    assert kept == {"config.json", "environment.json", "log.jsonl", "results.json"}
    (out / "code.json").write_text(json.dumps({"commit": "3" * 40, "source_sha256": "other"}))
    with pytest.raises(RunDirectoryError, match=f"begun with the code of commit {'3' * 40}"):
        make_record(MINE, folder, out, data="digits")
    monkeypatch.delenv(COMMIT)
    refused = command(folder, "--out", out, "--data", "digits")
    assert refused.exit_code == EmberfieldError.exit_code and f"set {COMMIT}" in refused.output


def test_trainings_side_by_side_are_what_they_are_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", warm_python())
    alone = MINE.train(tmp_path / "alone", seed=1)
    _, beside = train_runs(MINE, tmp_path / "beside", seeds=[0, 1], side_by_side=2)
    assert first_difference(newest(alone.path), newest(beside[1].path)) is None
    assert first_difference(newest(alone.path), newest(beside[0].path)) is not None
    with pytest.raises(EmberfieldError, match=r"ended with code 2: error: unknown layer 'no_such_layer'"):
        train_runs(MINE, tmp_path / "failed", seeds=[0], side_by_side=2, freeze=("no_such_layer",))


@pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="trains for seconds: make soak")
def test_the_time_of_a_stage_is_estimated(tmp_path: Path) -> None:
    folder = declared(tmp_path / "mine")
    (hours,) = estimate(MINE, folder, data="digits", stages=["teacher"]).items()
    assert hours[0] == "teacher" and 0 < hours[1] < 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "declares no stages"),
        ({}, "declares no stages: KeyError"),
        ({"stages": {"a": {"sseds": [0]}}}, "declares no stages: TypeError.*sseds"),
        ({"stages": {"a": {"teachers": ["b"]}, "b": {}}}, "unknown teacher of a 'b'"),
        ({"stages": {"a": {}}, "weights": {}, "more": 1}, "declares no stages: TypeError.*more"),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(EmberfieldError, match=message):
        read(MINE, declared(tmp_path / "mine", content))


def test_a_stage_brings_what_it_needs_and_its_teachers_with_all_seeds(tmp_path: Path) -> None:
    record = read(MINE, declared(tmp_path / "mine"))
    assert list(record.needed(["teacher"]).stages) == ["teacher"]
    needed = record.needed(["student"], [1]).stages
    assert {name: list(stage.seeds) for name, stage in needed.items()} == {"teacher": [0, 1], "student": [1]}


def test_what_is_asked_of_a_record_is_checked(tmp_path: Path) -> None:
    folder = declared(tmp_path / "records" / "mine")
    for options, message in (
        (["--stage", "studnt"], "unknown stage 'studnt', did you mean 'student'"),
        (["--seeds", "7"], "stage teacher has no seed 7; valid: 0, 1"),
        (["--adopt", "student/seed-7=x"], "unknown run of the record 'student/seed-7'"),
        (["--smoke", "--verify"], "cannot stand together"),
        (["--verify"], "has no published weights"),
    ):
        result = command(folder, *options)
        assert result.exit_code == EmberfieldError.exit_code and message in result.output, result.output
    nowhere = command(tmp_path / "nowhere")
    assert nowhere.exit_code == EmberfieldError.exit_code and "is no record: stages.json" in nowhere.output


def test_published_weights_are_verified_to_two_hundredths_of_a_point(tmp_path: Path) -> None:
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    draw = np.random.default_rng(0)
    arrays = {
        f"{kind}_{split}": draw.integers(0, high, (40, *shape), dtype=np.uint8)
        for split in ("train", "test")
        for kind, high, shape in (("x", 255, (32, 32, 3)), ("y", 10, ()))
    }
    np.savez(data := tmp_path / "images.npz", class_names=np.array(names), **arrays)
    accuracy = EXPERIMENT.evaluate("c1c2c3c40_quick", data=data)["accuracy"]
    folder = declared(tmp_path / "mine", {"weights": {"c1c2c3c40_quick": "seed-0"}, "stages": {"student": {}}})
    (folder / "seed-0").mkdir()
    for shift, code in ((0.0002, 0), (0.0003, DifferenceError.exit_code)):
        (folder / "seed-0" / "results.json").write_text(json.dumps({"test_accuracy": accuracy + shift}))
        assert command(folder, "--verify", "--data", data, experiment=EXPERIMENT).exit_code == code


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: folder.name)
def test_each_committed_record_can_be_made(folder: Path, tmp_path: Path) -> None:
    record = read(EXPERIMENT, folder)
    for stage in record.stages.values():
        config = EXPERIMENT.settings(stage.settings, preset=stage.preset)
        assert config.data.val_size == HELD_OUT.get(folder.name, 0) and stage.seeds
    for run in record.weights.values():
        assert (folder / run / "results.json").is_file()
    if os.environ.get("EMBERFIELD_SOAK"):
        smoke(EXPERIMENT, folder, tmp_path / "out", device="cpu")
        assert len(list(tmp_path.glob("out/*/seed-*/results.json"))) == len(record.stages)
