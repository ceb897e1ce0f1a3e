"""A sweep: each trial is a run, the best is chosen on validation, and what makes no sense is refused at once."""

import importlib.util
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from framework.checkpoint.comparison import first_difference
from framework.errors import DeviceError, EmberfieldError, NonFiniteError, RunDirectoryError
from framework.experiment import Run
from framework.experiment.search_space import read_space
from recipes.s7_cifar import DEFAULTS
from tests.framework.experiment.running import run
from tests.framework.experiment.test_several import MINE, newest

HAS_OPTUNA = importlib.util.find_spec("optuna") is not None
needs_optuna = pytest.mark.skipif(not HAS_OPTUNA, reason="the extra sweep is not installed")
SPACE: dict[str, Any] = {
    "lr": {"min": 1e-3, "max": 1.0, "log": True},
    "schedule": ["step", "one_cycle"],
    "warmup": {"min": 0.1, "max": 0.5, "step": 0.1},
    "arch_options": [{"widths": [4, 8, 8, 8]}, {"widths": [4, 8, 8, 16]}],
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A sweep of three trials of one epoch, and its best run."""
    out = tmp_path_factory.mktemp("sweep") / "sweep"
    return out, MINE.sweep(out, space=SPACE, trials=3, epochs=1)


def accuracies(folder: Path, figure: str) -> list[float]:
    return [json.loads(file.read_text())[figure] for file in sorted(folder.glob("trial-*/results.json"))]


@needs_optuna
def test_trials_are_runs_and_the_best_is_chosen_on_validation(swept: tuple[Path, Run]) -> None:
    out, best = swept
    found = json.loads((out / "results.json").read_text())
    judged = [trial["validation_accuracy"] for trial in found["trials"]]
    assert judged == accuracies(out, "validation_accuracy") != accuracies(out, "test_accuracy")
    assert found["best"] == best.path.name == f"trial-{judged.index(max(judged)):03}"
    for trial in found["trials"]:
        config = json.loads((out / trial["trial"] / "config.json").read_text())
        for name, value in trial["settings"].items():
            (kept,) = (values[name] for values in config.values() if name in values)
            assert kept == value
        assert ("warmup" in trial["settings"]) == (config["optimization"]["schedule"] == "one_cycle")
    assert {trial["settings"]["schedule"] for trial in found["trials"]} == {"step", "one_cycle"}


@needs_optuna
def test_the_command_that_is_printed_repeats_the_best_and_tests_it(swept: tuple[Path, Run]) -> None:
    out, best = swept
    words = shlex.split(json.loads((out / "results.json").read_text())["repeat"])
    assert words[:3] == ["python", "-m", "recipes.s7_cifar"]
    result = run(*words[3:])
    assert result.exit_code == 0 and f"test accuracy {100 * best.results['test_accuracy']:.2f} %" in result.output
    again = Path(words[words.index("--out") + 1])
    assert first_difference(newest(best.path), newest(again)) is None
    assert any(first_difference(newest(best.path), newest(path)) for path in out.glob("trial-*"))


@needs_optuna
def test_a_sweep_takes_further_trials_and_no_other_space(swept: tuple[Path, Run], tmp_path: Path) -> None:
    out, _ = swept
    before = (out / "trial-000" / "results.json").stat().st_mtime_ns
    MINE.sweep(out, space=SPACE, trials=4, epochs=1, resume=True)
    assert len(accuracies(out, "test_accuracy")) == 4
    assert (out / "trial-000" / "results.json").stat().st_mtime_ns == before
    for changes, message in (
        ({"space": {"lr": [0.1, 0.2]}}, "space was .* and is now"),
        ({"seed": 3}, "seed was 0 and is now 3"),
        ({"epochs": 2}, "epochs was 1 and is now 2"),
        ({"resume": False}, "add --resume"),
    ):
        with pytest.raises(RunDirectoryError, match=message):
            MINE.sweep(out, **{"space": SPACE, "epochs": 1, "resume": True, **changes})


@needs_optuna
def test_a_trial_that_is_not_finite_has_failed_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = MINE.sweep(tmp_path / "some", space={"lr": [1e30, 0.1]}, trials=3, epochs=1)
    found = [
        trial["validation_accuracy"] for trial in json.loads((tmp_path / "some/results.json").read_text())["trials"]
    ]
    assert None in found and best.config.optimization.lr == 0.1
    assert f"trial {found.index(None) + 1} failed: step " in capsys.readouterr().err
    with pytest.raises(NonFiniteError, match="of every trial in .* was not finite: try other values in --space"):
        MINE.sweep(tmp_path / "all", space={"lr": [1e30]}, trials=1, epochs=1)


@needs_optuna
def test_a_suggestion_is_a_function_of_the_finished_trials_and_the_seed() -> None:
    """Fifteen trials, of which the first ten are drawn evenly, as if the process had ended after each."""
    from optuna.trial import create_trial

    space = read_space({"lr": SPACE["lr"], "weight_decay": [0.0, 1e-3]}, DEFAULTS, {})

    def trials(sign: int, seed: int) -> Sequence[Any]:
        found: list[Any] = []
        for number in range(15):
            params = space.suggested(found, 100 * seed + number)
            value = sign * abs(params["lr"] - 0.1)
            found.append(create_trial(value=value, params=params, distributions=space.distributions))
        return [trial.params for trial in found]

    assert trials(-1, 0) == trials(-1, 0)
    assert trials(-1, 0)[:10] == trials(1, 0)[:10] and trials(-1, 0) != trials(1, 0)
    assert trials(-1, 0)[0] != trials(-1, 1)[0]


@needs_optuna
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"space": {}}, "--space is {}; it takes a list or a range for each setting"),
        ({"space": {"lrr": [0.1]}}, "unknown setting 'lrr', did you mean 'lr'"),
        ({"space": {"lr": 0.1}}, "--space has 0.1 for lr; it takes a list, or an object with min, max, log and step"),
        ({"space": {"lr": {"min": 0.1}}}, "it takes a list, or an object with min"),
        ({"space": {"lr": {"min": 0.1, "max": 1, "lag": True}}}, "it takes a list, or an object with min"),
        ({"space": {"lr": []}}, "it takes a list"),
        ({"space": {"lr": [{1, 2}]}}, "--space takes what JSON can hold"),
        ({"space": {"lr": [0.1, -1.0]}}, "lr is -1.0; the smallest valid value is 0.0"),
        ({"space": {"lr": {"min": 1.0, "max": 0.1}}}, "--space has .* for lr: "),
        ({"space": {"lr": {"min": 0.0, "max": 0.1, "log": True}}}, "--space has .* for lr: "),
        ({"space": {"batch_size": {"min": 4.5, "max": 9}}}, "batch_size is 4.5, a float; it takes int"),
        ({"space": {"seed": [0, 1]}}, "seed cannot be in --space: it is the same for all trials"),
        ({"space": {"lr": [0.1]}, "lr": 0.2}, "lr cannot be in --space: it is given beside it too"),
        ({"space": {"mixup_alpha": [0.1]}}, "mixup_alpha in --space has no effect: mixup is 0"),
        ({"space": {"lr": [0.1]}, "val_size": 0}, "a sweep chooses on validation images, and there are none"),
        ({"space": {"lr": [0.1]}, "variant": "slw"}, "unknown variant 'slw', did you mean 'slow'"),
        ({"space": {"weight_decay": [0.1]}, "epochs": 0}, "epochs is 0"),
        ({"space": {"lr": [0.1]}, "resume": True, "out": None}, "--resume needs --out"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_made(
    tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(EmberfieldError, match=message):
        MINE.sweep(**{"out": tmp_path / "out", **asked})
    assert not (tmp_path / "out").exists()


@needs_optuna
def test_a_folder_of_seeds_is_no_sweep(swept: tuple[Path, Run], tmp_path: Path) -> None:
    _, best = swept
    shared = MINE.settings({"epochs": 1}).to_json()
    (tmp_path / "settings.json").write_text(shared)
    (tmp_path / "seed-0").mkdir()
    (tmp_path / "seed-0" / "config.json").write_bytes((best.path / "config.json").read_bytes())
    with pytest.raises(RunDirectoryError, match="holds runs of --seeds or --variants, and no sweep"):
        MINE.sweep(tmp_path, space=SPACE, epochs=1, resume=True)


def test_without_optuna_the_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = run("sweep", "--data", "digits", "--space", '{"lr": [0.1, 0.2]}', "--out", tmp_path / "out")
    assert result.exit_code == DeviceError.exit_code and not (tmp_path / "out").exists()
    assert result.stderr == "error: a sweep needs Optuna: pip install 'emberfield[sweep]'\n"
