"""Several seeds and variants: each run is what it would be alone, also after a stop, and the figures are summed up."""

import dataclasses
import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ignite.engine import Events

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths
from framework.errors import EmberfieldError, RunDirectoryError, StoppedError
from framework.experiment import Experiment, Run
from framework.run.directory import RunDirectory
from recipes.s7_cifar import DEFAULTS, EXPERIMENT
from tests.framework.experiment.running import run
from tests.framework.experiment.test_resumed_settings import DRY

SMALL: dict[str, Any] = {
    **{"data": "digits", "arch": "c1c2c3c40_quick", "arch_options": {"widths": [4, 8, 8, 8]}, "image_size": 16},
    **{"no_constraints": True, "epochs": 2, "limit_batches": 2, "batch_size": 16, "transforms": ()},
    **{"device": "cpu", "precision": "float32"},
}
VARIANTS = {"fast": {"lr": 0.2}, "slow": {"lr": 0.01}}
MINE = dataclasses.replace(EXPERIMENT, defaults=DEFAULTS.updated(SMALL), variants=VARIANTS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run]]:
    """Two variants with two seeds each."""
    out = tmp_path_factory.mktemp("several") / "all"
    return out, list(MINE.train_all(out, seeds=[0, 3], variants="all"))


def newest(path: Path) -> object:
    return load_checkpoint(checkpoint_paths(RunDirectory(path))[0])


def test_each_run_is_what_it_is_alone(trained: tuple[Path, list[Run]], tmp_path: Path) -> None:
    out, runs = trained
    names = ["fast-seed-0", "fast-seed-3", "slow-seed-0", "slow-seed-3"]
    assert [each.path for each in runs] == [out / name for name in names]
    alone = MINE.train(tmp_path / "alone", variant="slow", seed=3)
    assert first_difference(newest(alone.path), newest(runs[3].path)) is None
    assert first_difference(newest(alone.path), newest(runs[2].path)) is not None


def test_mean_and_deviation_are_numpys_and_the_choice_is_made_on_validation(trained: tuple[Path, list[Run]]) -> None:
    out, runs = trained
    found = json.loads((out / "results.json").read_text())
    means = {}
    for number, name in enumerate(VARIANTS):
        for figure in ("validation_accuracy", "test_accuracy", "training_seconds"):
            values = [each.results[figure] for each in runs[2 * number : 2 * number + 2]]
            spread = found["variants"][name][figure]
            assert spread["mean"] == pytest.approx(np.mean(values))
            assert spread["deviation"] == pytest.approx(np.std(values, ddof=1))
        means[name] = found["variants"][name]["validation_accuracy"]["mean"]
    best = max(means, key=means.__getitem__)
    assert found["chosen_on_validation"] == best
    assert found["chosen_test_accuracy"] == found["variants"][best]["test_accuracy"]


def test_a_stop_between_and_within_runs_changes_nothing(trained: tuple[Path, list[Run]], tmp_path: Path) -> None:
    whole, _ = trained

    made: list[object] = []

    def interrupt(state: Any) -> None:
        """Stops the second run in its second epoch."""
        made.append(state)
        if len(made) == 2:
            state.trainer.add_event_handler(
                Events.ITERATION_COMPLETED(once=3), lambda: signal.raise_signal(signal.SIGTERM)
            )

    out = tmp_path / "parts"
    stopping: Experiment = dataclasses.replace(MINE, handlers={"interrupt": interrupt})
    with pytest.raises(StoppedError, match="to go on with all runs, repeat this with --resume and --out"):
        stopping.train_all(out, seeds="0,3", variants="fast,slow", checkpoint_every="1")
    assert checkpoint_paths(RunDirectory(out / "fast-seed-3")) and not (out / "fast-seed-3" / "results.json").exists()
    finished = (out / "fast-seed-0" / "results.json").stat().st_mtime_ns
    with pytest.raises(RunDirectoryError, match="epochs was 2 and is now 3; repeat the options"):
        MINE.train_all(out, seeds="0,3", variants="all", resume=True, epochs=3)
    MINE.train_all(out, seeds="0,3", variants="all", resume=True)
    assert (out / "fast-seed-0" / "results.json").stat().st_mtime_ns == finished
    for folder in whole.glob("*-seed-*"):
        assert first_difference(newest(folder), newest(out / folder.name)) is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"seeds": "0,x"}, "--seeds is '0,x'; it takes different whole numbers"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"seeds": []}, "different whole numbers"),
        ({"seeds": "-1"}, "seed is -1"),
        ({"variants": "fast,slw"}, "unknown variant 'slw', did you mean 'slow'"),
        ({"variants": []}, "different names of fast, slow"),
        ({"seeds": "0", "seed": 1}, "--seed and --seeds cannot stand together"),
        ({"variants": "all", "variant": "slow"}, "--variant and --variants cannot"),
        ({"seeds": "0", "lr": -1.0}, "lr is -1"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_made(
    tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(EmberfieldError, match=message):
        MINE.train_all(tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_runs_are_compared_in_one_report(trained: tuple[Path, list[Run]]) -> None:
    out, _ = trained
    pictures = {"loss.png", "accuracy.png", "mistakes-1.png", "mistakes-2.png"}
    assert {path.name for path in (out / "report").iterdir()} == {"report.md", "report.html", *pictures}
    text = (out / "report" / "report.md").read_text()
    best = json.loads((out / "results.json").read_text())["chosen_on_validation"]
    assert f"Chosen on validation: {best}, " in text
    assert "| lr | 0.2 | 0.01 |" in text and "| seed |" not in text
    assert len(re.findall(r"(?m)^\| (fast|slow) \| 0, 3 \| 2,894 \| .* ± .* \| .* ± .* \| yes \|$", text)) == 2
    assert (out / "report" / "report.html").read_text().count("data:image/png") == 4


def test_runs_of_several_folders_are_compared_by_command(trained: tuple[Path, list[Run]], tmp_path: Path) -> None:
    out, runs = trained
    other = shutil.copytree(runs[3].path, tmp_path / "other")
    result = run("compare", out, other, "--mistakes", "2", "--out", tmp_path / "report")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report" / "report.md").read_text()
    assert "| fast | 0, 3 |" in text and "| other | 3 |" in text and "The 2 most confident" in text
    (other / "results.json").unlink()
    for folder, code in ((other, "is not finished"), (tmp_path / "none", "holds no run and no folder of one")):
        result = run("compare", out, folder)
        assert result.exit_code == RunDirectoryError.exit_code and code in result.output, result.output


def test_what_is_not_finished_in_a_folder_is_left_out_and_said(trained: tuple[Path, list[Run]], tmp_path: Path) -> None:
    runs = trained[1]
    for trial, source in zip(("trial-000", "trial-001"), runs, strict=False):
        shutil.copytree(source.path, tmp_path / "sweep" / trial)
    (tmp_path / "sweep" / "trial-001" / "results.json").unlink()
    result = run("compare", tmp_path / "sweep")
    assert result.exit_code == 0, result.output
    said = f"Runs that are not finished are left out: trial-001 of {tmp_path / 'sweep'}"
    assert said in result.output
    text = (tmp_path / "sweep" / "report" / "report.md").read_text()
    assert "**Runs that are not finished are left out: trial-001 of" in text and "| trial-000 |" in text
    (tmp_path / "sweep" / "trial-000" / "results.json").unlink()
    result = run("compare", tmp_path / "sweep")
    assert result.exit_code == RunDirectoryError.exit_code
    assert "is finished: trial-000, trial-001" in result.output


def test_a_folder_of_something_else_is_left_alone(trained: tuple[Path, list[Run]], tmp_path: Path) -> None:
    out, runs = trained
    with pytest.raises(RunDirectoryError, match="add --resume"):
        MINE.train_all(out, seeds="0,3", variants="all")
    with pytest.raises(RunDirectoryError, match="holds no runs of --seeds or --variants"):
        MINE.train_all(runs[0].path, seeds="0", resume=True)


def test_the_command_prints_the_table(tmp_path: Path) -> None:
    options = ("--data=digits", *DRY, "--seeds=1,2", "--out", tmp_path)
    result = run(*options)
    assert result.exit_code == 0, result.output
    assert "s7_cifar  1, 2   " in result.output and "±" in result.output
    assert "**Some are dry runs" in (tmp_path / "report" / "report.md").read_text()
    assert sorted(path.name for path in tmp_path.glob("seed-*")) == ["seed-1", "seed-2"]
