"""An empty text is no path: pathlib would take it for the current folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framework.errors import EmberfieldError
from framework.experiment import Run
from recipes.s7_cifar import EXPERIMENT
from tests.framework.experiment.running import run

PUBLISHED = "c1c2c3c40"


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The current folder, which stays empty."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    yield
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: EXPERIMENT.train("", data="digits"), "out"),
        (lambda: EXPERIMENT.train_all("", seeds="0,1", data="digits"), "out"),
        (lambda: EXPERIMENT.sweep("", space={"lr": [0.1, 0.2]}, data="digits"), "out"),
        (lambda: EXPERIMENT.find_lr("", data="digits"), "out"),
        (lambda: EXPERIMENT.export(PUBLISHED, "", "onnx"), "out"),
        (lambda: EXPERIMENT.export_int8(PUBLISHED, "", "onnx"), "out"),
        (lambda: EXPERIMENT.open_run(""), "run"),
        (lambda: EXPERIMENT.report(""), "run"),
        (lambda: EXPERIMENT.compare(["", "run"]), "run"),
        (lambda: EXPERIMENT.load(""), "network"),
        (lambda: EXPERIMENT.evaluate("", data="digits"), "network"),
        (lambda: EXPERIMENT.evaluate(PUBLISHED, data=""), "data"),
        (lambda: EXPERIMENT.predict(PUBLISHED, ""), "image"),
        (lambda: EXPERIMENT.predict(PUBLISHED, ["a.png", ""]), "image"),
    ],
)
def test_python_takes_no_empty_path(call: Callable[[], object], named: str) -> None:
    with pytest.raises(EmberfieldError, match=f"^{named} is ''; it takes a path") as refused:
        call()
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("method", [Run.report, Run.benchmark])
def test_a_run_takes_no_empty_path(method: Callable[[Run, str], object], finished: tuple[Path, str]) -> None:
    opened = EXPERIMENT.open_run(finished[0])
    with pytest.raises(EmberfieldError, match="^out is ''; it takes a path"):
        method(opened, "")
    with pytest.raises(EmberfieldError, match="^out is ''; it takes a path"):
        opened.compare(opened, out="")


@pytest.mark.parametrize(
    ("section", "name", "empty"),
    [
        ("data", "data", ""),
        ("network", "init_from", ""),
        ("optimization", "teacher", ("",)),
        ("optimization", "teacher_arch", ("",)),
    ],
)
def test_no_setting_takes_an_empty_text(section: str, name: str, empty: object, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({section: {name: ""}}))
    option = f"--{name.replace('_', '-')}"
    for given in ((option, ""), ("--config", tmp_path / "settings.json")):
        done = run("train", *given)
        assert done.exit_code == 2 and f"{name} is " in done.stderr and "it takes no empty text" in done.stderr
    with pytest.raises(EmberfieldError, match="it takes no empty text"):
        EXPERIMENT.train(**{name: empty})


@pytest.mark.parametrize("command", [("evaluate",), ("export", "--format", "onnx", "--out", "network.onnx")])
def test_no_command_takes_empty_data(command: tuple[str, ...]) -> None:
    done = run(*command, "--arch", PUBLISHED, "--pretrained", "--data", "")
    assert done.exit_code == 2 and "data is ''; it takes a path" in done.stderr
