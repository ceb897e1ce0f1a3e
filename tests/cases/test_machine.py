"""Machines as users have them: variables that are left over, no home, names of any kind, folders that are closed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from framework.checkpoint.file_format import load_checkpoint
from framework.report.confusion import save_confusion
from framework.report.gallery import save_gallery
from tests.framework.experiment.running import ROOT, run
from tests.reliability.processes import TRAIN, finish, said, server

QUICK = ("--epochs", "1", "--limit-batches", "1")
ON_DATA = tuple(option for option in TRAIN if option not in ("--data", "digits"))
ODD = ("a$b^c_d%e", "$\\frac^$", "n" * 255, os.fsdecode(b"caf\xe9"))


def left_over_world_size() -> None:
    os.environ["WORLD_SIZE"] = "2"


def left_over_rank() -> None:
    os.environ["RANK"] = "3"


def rank_beyond() -> None:
    os.environ |= {"WORLD_SIZE": "2", "RANK": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}


def rank_of_letters() -> None:
    os.environ |= {"WORLD_SIZE": "2", "RANK": "first", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}


@pytest.mark.parametrize("left", ["left_over_world_size", "left_over_rank", "rank_beyond", "rank_of_letters"])
def test_variables_of_torchrun_without_it_are_one_line(tmp_path: Path, left: str) -> None:
    folder = tmp_path / "run"
    assert finish(folder, *QUICK, prepare=f"tests.cases.test_machine:{left}") == 2
    (line,) = said(folder).splitlines()
    assert line.startswith("error: start several processes with torchrun, or unset RANK and WORLD_SIZE: RANK is ")
    assert not folder.exists()


def test_a_backend_of_a_notebook_is_of_no_use_and_no_harm(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom framework.report.curves import save_curves\n"
        "epoch = {'epoch': 1, 'loss': 1.0, 'accuracy': 0.5, 'lr': 0.1}\n"
        "save_curves(Path(sys.argv[1]), [epoch], 'a^$b')\nprint(os.environ['MPLBACKEND'])"
    )
    backend = "no-such-backend"  # module://matplotlib_inline.backend_inline where that is not installed
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "curves.png"],
        cwd=ROOT, env=os.environ | {"MPLBACKEND": backend}, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{backend}\n"), done.stderr
    assert cv2.imread(str(tmp_path / "curves.png")) is not None


def without_a_home(found: Path) -> None:
    """As `docker run --user 54321`."""
    if os.geteuid() == 0:
        os.setresuid(54321, 54321, 54321)
        for name in ("HOME", "XDG_CACHE_HOME", "EMBERFIELD_CACHE"):
            os.environ.pop(name, None)
    from framework.data.registry import cache_folder

    with pytest.raises(RuntimeError):
        Path.home()
    found.write_text(str(cache_folder()))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a home")
def test_a_user_without_a_home_has_a_cache(tmp_path: Path) -> None:
    found = Path("/tmp") / f"{tmp_path.parent.name}-{os.getpid()}.cache"
    found.touch()
    found.chmod(0o666)
    process = server().Process(target=without_a_home, args=(found,))
    process.start()
    process.join(60)
    told = found.read_text()
    found.unlink()
    assert process.exitcode == 0 and told.endswith("/emberfield-54321")


@pytest.fixture(scope="module")
def odd_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / os.fsdecode(b"im^a$ges_%\xff" + b"x" * 200)
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ODD:
            (folder / split / name).mkdir(parents=True)
            for number in range(12):
                content = cv2.imencode(".png", generator.integers(0, 256, (8, 8, 3), np.uint8))[1]
                (folder / split / name / f"{number}.png").write_bytes(content.tobytes())
    return folder


def test_class_and_folder_names_may_hold_anything(odd_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"r\xfcn $x^_%")
    options = ("--data", str(odd_data), "--image-size", "32", "--val-size", "4")
    assert finish(folder, *options, *QUICK, train=ON_DATA) == 0, said(folder)
    assert "Traceback" not in said(folder)
    names = load_checkpoint(next((folder / "checkpoints").iterdir()))["metadata"]["class_names"]
    assert sorted(names) == sorted([*ODD[:3], r"caf\xe9"])
    results = json.loads((folder / "results.json").read_text())
    assert results["data"].startswith(r"im^a$ges_%\xff")
    assert (folder / "curves.png").is_file() and (folder / "augmented_samples.png").is_file()


def test_pictures_take_names_literally(tmp_path: Path) -> None:
    save_confusion(tmp_path / "a.png", np.eye(3, dtype=np.int64), ODD[:3])
    save_gallery(tmp_path / "b.png", [[np.zeros((8, 8, 3), np.uint8)]], [["$\\frac^$_%"]])
    assert cv2.imread(str(tmp_path / "a.png")) is not None and cv2.imread(str(tmp_path / "b.png")) is not None


@pytest.mark.parametrize("length", [256, 5000])
def test_a_name_that_is_too_long_is_one_line(length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "n" * length
    commands = (
        ("train", "--data", "digits", "--out", name),
        ("train", "--data", "digits", "--out", name, "--resume"),
        ("train", "--data", name, "--out", "unused"),
        ("evaluate", "--data", "digits", "--checkpoint", name),
        ("report", name),
    )
    for command in commands:
        result = run(*command)
        assert result.exit_code in (2, 3, 4, 5), (command[0], result.output[-300:])
        assert "rror: " in result.output.splitlines()[-1] and "Traceback" not in result.output


@pytest.mark.parametrize("closed", ["", "train", "train/a", "train/a/0.png"])
def test_data_that_may_not_be_entered_is_one_line(tmp_path: Path, closed: str) -> None:
    data = tmp_path / "data"
    for place in ("train/a", "test/a"):
        (data / place).mkdir(parents=True)
        (data / place / "0.png").write_bytes(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    (data / closed).chmod(0)
    folder, user = tmp_path / "run", "tests.reliability.test_kept_runs:without_privileges"
    code = finish(folder, "--data", str(data), *QUICK, train=ON_DATA, prepare=user)
    (data / closed).chmod(0o755)
    assert code == 3, said(folder)
    assert "ermission denied" in said(folder).splitlines()[-1] and "Traceback" not in said(folder)
