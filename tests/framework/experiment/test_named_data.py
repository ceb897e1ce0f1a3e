"""The images that a network is tested on where none are named: those that it was trained on, and no others."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.data import registry
from framework.data.preprocessing import Preprocessing
from framework.errors import DataError, EmberfieldError
from recipes.s7_cifar import EXPERIMENT
from tests.cases import inputs
from tests.cases.received import change_json, change_metadata
from tests.framework.experiment.running import run

DRY = (
    *("--epochs", "1", "--batch-size", "16", "--limit-batches", "1", "--transforms", "[]", "--no-constraints"),
    *("--device", "cpu", "--precision", "float32", "--image-size", "16", "--arch", "c1c2c3c40_quick"),
    *("--arch-options", '{"widths": [4, 8, 8, 8]}'),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a finished run."""
    folder = tmp_path_factory.mktemp("made")
    result = run("--data", inputs.plain(folder / "data"), *DRY, "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def without_cifar10(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """CIFAR-10 cannot be downloaded."""

    def unreachable(preprocessing: Preprocessing, cache: Path) -> None:
        raise DataError("CIFAR-10 cannot be downloaded")

    monkeypatch.setitem(registry._READERS, "cifar10", unreachable)
    yield


def test_evaluate_takes_the_data_of_the_run(made: Path) -> None:
    named = run("evaluate", "--checkpoint", made / "run", "--data", made / "data", "--device", "cpu")
    for checkpoint in (made / "run", made / "run" / "best.pt", next((made / "run" / "checkpoints").iterdir())):
        own = run("evaluate", "--checkpoint", checkpoint, "--device", "cpu")
        assert own.exit_code == 0, own.output
        assert "data data, 15 test images" in own.output
        assert checkpoint.name.startswith("step") or own.output.splitlines()[-2:] == named.output.splitlines()[-2:]


def test_data_of_a_run_that_are_gone_or_other_ones_are_asked_for(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "run", tmp_path / "run")
    for data, message in (
        (
            tmp_path / "gone",
            f"there is no data at {tmp_path / 'gone'}: it takes a folder or a .npz file; name the images",
        ),
        (inputs.plain(tmp_path / "other", train=21), "other is not what "),
    ):
        change_json(tmp_path / "run" / "config.json", lambda config, data=data: config["data"].update(data=str(data)))  # type: ignore[misc]
        result = run("evaluate", "--checkpoint", tmp_path / "run", "--device", "cpu")
        assert result.exit_code == 3 and message in result.stderr
        assert "name the images with --data" in result.stderr and len(result.stderr.splitlines()) == 1
        assert run("evaluate", "--checkpoint", tmp_path / "run", "--data", made / "data").exit_code == 0


@pytest.mark.usefixtures("without_cifar10")
def test_the_digits_stand_in_for_a_training_alone(made: Path, tmp_path: Path) -> None:
    published = run("evaluate", "--pretrained", "--arch", "c1c2c3c40_quick", "--device", "cpu")
    assert published.exit_code == 3
    assert published.stderr == "error: CIFAR-10 cannot be downloaded; name the images with --data\n"
    shutil.copytree(made / "run", tmp_path / "run")
    change_json(tmp_path / "run" / "config.json", lambda config: config["data"].update(data=None))
    change_metadata(tmp_path / "run", data="cifar10")
    for command in (("evaluate", "--checkpoint", tmp_path / "run"), ("report", tmp_path / "run", "--device", "cpu")):
        result = run(*command)
        assert result.exit_code == 3 and "digits" not in result.output
        assert "CIFAR-10 cannot be downloaded" in result.stderr
    change_metadata(tmp_path / "run", data="stripes")
    result = run("evaluate", "--checkpoint", tmp_path / "run")
    assert result.exit_code == 3 and "was trained on stripes, which has no name here; name the images" in result.stderr
    trained = run(*DRY, "--out", tmp_path / "digits")
    assert trained.exit_code == 0 and "Going on with `digits` instead" in trained.stderr
    evaluated = run("evaluate", "--checkpoint", tmp_path / "digits", "--device", "cpu")
    assert "data digits, 360 test images" in evaluated.output and "instead" not in evaluated.output
    assert re.search(r"test accuracy [\d.]+ %", evaluated.output)


def test_a_path_in_python_is_never_a_name() -> None:
    for given, kept in (("digits", "digits"), (Path("digits"), "./digits"), (Path("/digits"), "/digits")):
        assert EXPERIMENT.settings({"data": given}).data.data == kept
    with pytest.raises(EmberfieldError, match="'dataset' is now called 'data'"):
        EXPERIMENT.settings({"dataset": "digits"})
