"""Runs that learn from another run's network."""

import json
import os
import shutil
from pathlib import Path

import pytest

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.file_format import load_checkpoint, save_checkpoint
from tests.framework.experiment.running import QUICK, run, run_killed_after

NARROW = ("--arch-options", '{"widths": [8, 8, 16, 16]}')
STUDENT = (*QUICK, *NARROW, "--epochs", "2", "--seed", "1", "--checkpoint-every", "1")
LAST = Path("checkpoints") / "step-000000012.pt"


@pytest.fixture(scope="module")
def student(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run that learnt from another, not to be changed, and what it said."""
    folder = tmp_path_factory.mktemp("runs") / "student"
    result = run(*STUDENT, "--teacher", finished[0], "--out", folder)
    assert result.exit_code == 0, result.output
    return folder, result.output


def model(folder: Path) -> object:
    return load_checkpoint(folder / LAST)["model"]


def test_a_student_differs_from_one_without_a_teacher_and_says_what_flatters_it(
    student: tuple[Path, str], tmp_path: Path
) -> None:
    folder, said = student
    assert "flatters the validation accuracy" in said
    alone = run(*STUDENT, "--out", tmp_path / "alone")
    assert alone.exit_code == 0 and "flatters" not in alone.output
    assert first_difference(model(folder), model(tmp_path / "alone")) is not None
    assert not (tmp_path / "alone" / "teacher.pt").exists()


def test_the_run_keeps_its_teacher_which_is_a_checkpoint_like_others(
    student: tuple[Path, str], finished: tuple[Path, str]
) -> None:
    kept = load_checkpoint(student[0] / "teacher.pt")
    assert first_difference(kept["model"], load_checkpoint(finished[0] / "best.pt")["model"]) is None
    copied, original = (
        run("evaluate", "--checkpoint", path, "--data", "digits", "--device", "cpu").output.splitlines()[1:]
        for path in (student[0] / "teacher.pt", finished[0])
    )
    assert copied == original and copied[-1].startswith("test accuracy")


def test_a_killed_student_goes_on_with_its_own_teacher_though_the_other_is_gone(
    student: tuple[Path, str], finished: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(finished[0], tmp_path / "teacher")
    command = (*STUDENT, "--teacher", str(tmp_path / "teacher"), "--out", str(tmp_path / "run"))
    assert run_killed_after(4, *command) == -9
    shutil.rmtree(tmp_path / "teacher")
    resumed = run("--out", tmp_path / "run", "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert first_difference(model(student[0]), model(tmp_path / "run")) is None
    (tmp_path / "run" / "teacher.pt").unlink()
    (tmp_path / "run" / "results.json").unlink()
    lost = run("--out", tmp_path / "run", "--resume")
    assert lost.exit_code == 5 and "there is no checkpoint at" in lost.output


def test_a_student_of_two_is_another_one_and_goes_on_with_both(
    student: tuple[Path, str], finished: tuple[Path, str], tmp_path: Path
) -> None:
    named = tmp_path / "first"
    shutil.copytree(finished[0], named)
    command = (*STUDENT, "--teacher", json.dumps([str(named), str(student[0])]), "--out", str(tmp_path / "killed"))
    assert run_killed_after(4, *command) == -9
    whole = run(*command[:-1], tmp_path / "whole")
    assert whole.exit_code == 0 and f"the teacher {named}, {student[0]} flatters" in whole.output
    shutil.rmtree(named)
    assert run("--out", tmp_path / "killed", "--resume").exit_code == 0
    assert first_difference(model(tmp_path / "whole"), model(tmp_path / "killed")) is None
    assert first_difference(model(tmp_path / "whole"), model(student[0])) is not None
    kept = load_checkpoint(tmp_path / "killed" / "teacher-2.pt")
    assert first_difference(kept["model"], load_checkpoint(student[0] / "best.pt")["model"]) is None


@pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="test_old_runs has a short form: make soak")
def test_the_answer_sheet_names_the_teacher(
    student: tuple[Path, str], finished: tuple[Path, str], tmp_path: Path
) -> None:
    assert run("report", student[0], "--out", tmp_path, "--device", "cpu").exit_code == 0
    line = f"| distilled from | {finished[0]}, with alpha 0.9 |"
    assert line in (tmp_path / "report.md").read_text().replace("\\", "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--teacher", "nobody"), 2, "there is no teacher 'nobody'. Valid: a run, a checkpoint, or one of c1c2c3c40,"),
        (("--teacher", '["nobody", "else"]'), 2, "there is no teacher 'nobody'"),
        (("--teacher", "[nobody]"), 2, "'[nobody]' is not JSON"),
        (("--teacher", "[1]"), 2, "it takes a list of texts"),
        (("--teacher", "c1c2c3c40"), 3, "c1c2c3c40.safetensors was trained on airplane"),
        (("--distill-alpha", "1.5"), 2, "distill_alpha is 1.5; the largest valid value is 1.0"),
        (("--distill-temperature", "0"), 2, "distill_temperature is 0.0; the smallest valid value is 0.01"),
    ],
)
def test_bad_input_is_one_clear_error(tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run(*STUDENT, *arguments, "--out", tmp_path / "run")
    assert result.exit_code == code and message in result.output


def test_a_teacher_of_other_pixels_is_refused(finished: tuple[Path, str], tmp_path: Path) -> None:
    result = run(*STUDENT, "--image-size", "40", "--teacher", finished[0], "--out", tmp_path / "run")
    assert result.exit_code == 3 and "takes 32 pixels, not 40" in result.output


def test_a_teacher_of_otherwise_prepared_images_is_refused(finished: tuple[Path, str], tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.pt"
    content = load_checkpoint(finished[0] / "best.pt")
    for own, metadata, message in (
        (("--fit", "pad"), {}, "was trained with --fit stretch, not pad"),
        ((), {"fit": "crop"}, "was trained with --fit crop, not stretch"),
        (("--background", "#ff0000"), {}, "was trained with --background white, not #ff0000"),
        ((), {"background": "black"}, "was trained with --background black, not white"),
    ):
        save_checkpoint(teacher, {**content, "metadata": {**content["metadata"], **metadata}})
        result = run(*STUDENT, *own, "--teacher", teacher, "--out", tmp_path / "run")
        assert result.exit_code == 3 and result.stderr == f"error: the teacher {teacher} {message}\n"
    save_checkpoint(teacher, {**content, "metadata": {**content["metadata"], "background": None}})
    short = (*STUDENT, "--epochs", "1", "--limit-batches", "1", "--background", "#ffffff")
    assert run(*short, "--teacher", teacher, "--out", tmp_path / "taught").exit_code == 0


def test_another_teacher_is_refused_by_a_run_that_has_begun(student: tuple[Path, str]) -> None:
    result = run("--out", student[0], "--resume", "--epochs", "3", "--teacher", "c1c2c3c40")
    assert result.exit_code == 4 and "and is now ('c1c2c3c40',)" in result.output
