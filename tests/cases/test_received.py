"""A run received from somebody else: nothing of it is executed or followed, and what it says stays inert."""

import re
import shutil
import sys
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

from recipes.s7_cifar import EXPERIMENT
from tests.cases import inputs, received
from tests.framework.experiment.running import run

DRY = (
    *("--epochs", "1", "--batch-size", "16", "--limit-batches", "1", "--transforms", "[]", "--no-constraints"),
    *("--device", "cpu", "--precision", "float32", "--image-size", "16", "--arch", "c1c2c3c40_quick"),
    *("--arch-options", '{"widths": [4, 8, 8, 8]}'),
)
SECRET = "what nobody else should have or change"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a finished run, not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    result = run("--data", inputs.plain(folder / "data"), *DRY, "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def got(made: Path, tmp_path: Path) -> Path:
    """A copy of the run, and beside it a file that is nobody else's business."""
    (tmp_path / "secret.txt").write_text(SECRET)
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def commands(got: Path, made: Path) -> dict[str, tuple[str | Path, ...]]:
    """Every command that takes a run."""
    image = next((made / "data" / "test" / "a").iterdir())
    out = got.parent / "network.pt2"
    return {
        "evaluate": ("evaluate", "--checkpoint", got, "--data", made / "data", "--device", "cpu"),
        "predict": ("predict", "--checkpoint", got, "--device", "cpu", image),
        "export": ("export", "--checkpoint", got, "--data", made / "data", "--format", "torch", "--out", out),
        "report": ("report", got, "--device", "cpu"),
        "resume": ("train", "--resume", "--out", got, "--epochs", "1"),
    }


def refused(result: Result, *exit_codes: int) -> str:
    assert result.exit_code in exit_codes, result.output
    assert len(result.stderr.splitlines()) == 1
    return str(result.stderr)


@pytest.mark.parametrize("command", ["evaluate", "predict", "export", "report", "resume"])
def test_code_that_a_run_names_is_not_executed_unless_the_user_names_it(
    command: str, got: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (got.parent / "planted.py").write_text(
        f"open({str(got.parent / 'ran')!r}, 'w')\ndef make(**options): return None\n"
    )
    monkeypatch.syspath_prepend(got.parent)
    (got / "results.json").unlink()
    for arch in ("planted:make", "torch.hub:load", "logging:basicConfig"):
        received.with_code(got, arch, {"filename": str(got.parent / "secret.txt"), "filemode": "w"})
        said = refused(run(*commands(got, made)[command]), 4, 5)
        assert f"{arch!r}, which is not registered: add --arch {arch} if you trust that code" in said
    assert (got.parent / "secret.txt").read_text() == SECRET
    assert not (got.parent / "ran").exists() and "planted" not in sys.modules
    refused(run(*commands(got, made)[command], "--arch", "planted:make"), 4, 5)
    received.with_code(got, "planted:make", {})
    refused(run(*commands(got, made)[command], "--arch", "logging:basicConfig"), 4, 5)
    assert not (got.parent / "ran").exists()  # another one than the user names is not executed either


def test_a_network_of_ones_own_resumes_once_it_is_named(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from framework.config import Config
    from framework.experiment.settings import how_to_resume

    (tmp_path / "brought.py").write_text(
        "from torch import nn\n"
        "def make(num_classes, in_channels=3):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(768, num_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    command = ("--data", made / "data", *DRY[:-4], "--arch", "brought:make", "--out", tmp_path / "run")
    assert run(*command).exit_code == 0
    (tmp_path / "run" / "results.json").unlink()
    refused(run("--resume", "--out", tmp_path / "run"), 4)
    config = Config().updated({"arch": "brought:make"})
    words = how_to_resume(EXPERIMENT, tmp_path / "run", config).split()
    assert words[:3] == ["python", "-m", "recipes.s7_cifar"] and "--arch" in words
    assert run(*words[3:]).exit_code == 0
    assert run("evaluate", "--checkpoint", tmp_path / "run", "--arch", "brought:make", *command[:2]).exit_code == 0


@pytest.mark.parametrize(
    "source",
    ["../../secret.txt", "../secret.txt", "{}/secret.txt", "`![x](http://example.org)`.py", "a\0b.py", "\ud800.py", 7],
)
def test_the_report_has_no_file_from_outside_of_the_run(source: str | int, got: Path) -> None:
    listed = source.format(got.parent) if isinstance(source, str) else source
    received.with_source(got, listed)
    refused(run("report", got, "--device", "cpu"), 4)
    assert not (got / "report" / "report.md").exists()


def test_a_file_of_a_run_that_is_no_text_is_named(got: Path) -> None:
    (got / "training.log").write_bytes(b"\xff\xfe\x00")
    assert "training.log cannot be read: 'utf-8' codec" in refused(run("report", got, "--device", "cpu"), 4)


@pytest.mark.parametrize(
    "name",
    ["report", "report/confusion.png", "report/report.md", "results.json", "training.log", "checkpoints", "source/x.py",
     "best.pt", "augmented_samples.png", "tensorboard", ".lock"],
)  # fmt: skip
def test_links_in_a_run_are_not_followed(name: str, got: Path, made: Path) -> None:
    target = got.parent / "secret.txt"
    if name in ("report", "checkpoints", "tensorboard"):
        target = got.parent / "folder"
        target.mkdir()
    received.with_link(got, name, target)
    for command in commands(got, made).values():
        said = refused(run(*command), 4)
        assert f"{got / name} is a symbolic link to {target}; a run holds files of its own" in said
    assert (got.parent / "secret.txt").read_text() == SECRET
    assert not target.is_dir() or not list(target.iterdir())


@pytest.mark.timeout(60)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(got: Path) -> None:
    received.with_pipe(got, "environment.json")
    assert "environment.json is no regular file" in refused(run("report", got, "--device", "cpu"), 4)


def inert(text: str) -> None:
    acting = [character for character in text if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")]
    assert set(acting) <= {"\n"} and "\u202e" not in text


def test_names_stay_inert_on_terminal_and_page(got: Path, made: Path, tmp_path: Path) -> None:
    names = list(received.NAMES)
    received.change_metadata(got, class_names=names, data="data\x1b[2J\nline")
    said = run(*commands(got, made)["evaluate"])
    assert said.exit_code == 3
    inert(said.output)
    lines = []
    for path in sorted((made / "data" / "test").rglob("*.png")):
        output = run("predict", "--checkpoint", got, "--device", "cpu", path).output
        inert(output)
        lines += output.splitlines()
    assert len(lines) == 15 and "test accuracy" not in {line[:13] for line in lines}
    arrays = {}
    for split, count in (("train", 20), ("test", 5)):
        images = [cv2.imread(str(path)) for path in sorted((made / "data" / split).rglob("*.png"))]
        arrays |= {f"x_{split}": np.stack(images), f"y_{split}": np.repeat(range(3), count)}
    np.savez(tmp_path / "named.npz", **arrays, class_names=np.array(names))
    trained = run("--data", tmp_path / "named.npz", *DRY, "--out", tmp_path / "named")
    assert trained.exit_code == 0, trained.output
    inert(trained.output)
    assert run("report", tmp_path / "named", "--device", "cpu").exit_code == 0
    folder = tmp_path / "named" / "report"
    text, page = (folder / "report.md").read_text(), (folder / "report.html").read_text()
    inert(text)
    inert(page)
    assert "\\!\\[x" in text or "!\\[x\\]" in text
    assert not re.search(r'src="(?!data:)', page) and "&lt;img src=x&gt;" in page
