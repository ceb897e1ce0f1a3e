"""examples/plugin as its author has it: both wheels in an environment of their own, used from another folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.warm_python import warm_python

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "examples" / "plugin"
SOAK = bool(os.environ.get("EMBERFIELD_SOAK"))
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"

COMMANDS = """
import json, sys
import architectures, framework, stripe_study
from stripe_study.recipes.stripes import EXPERIMENT, main
for arguments in (
    ["list"],
    ["train", "--preset", "short", "--variant", "wide", "--out", "run", "--device", "cpu"],
    ["report", "run", "--device", "cpu"],
    ["evaluate", "--checkpoint", "run", "--device", "cpu"],
    ["verify-resume", "--device", "cpu", *sys.argv[1:]],
):
    main(arguments, standalone_mode=False)
from framework.checkpoint.file_format import load_checkpoint
(checkpoint,) = EXPERIMENT.open_run("run").directory.checkpoints.glob("*.pt")
files = [module.__file__ for module in (architectures, framework, stripe_study)]
print(json.dumps({"files": files, "handlers": load_checkpoint(checkpoint)["handlers"]}))
"""


def build_wheel(source: Path, copy: Path, names: tuple[str, ...], wheels: Path) -> None:
    """Builds in a copy, so that nothing is left beside the source."""
    copy.mkdir()
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / name, copy)
    subprocess.run([sys.executable, "-c", BUILD, wheels], cwd=copy, check=True, capture_output=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with both wheels, which finds all else in that of the tests."""
    pytest.importorskip("setuptools", minversion="77", reason="building a wheel offline needs setuptools >= 77")
    folder = tmp_path_factory.mktemp("environment")
    ours = ("framework", "architectures", "recipes", "weights", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
    build_wheel(ROOT, folder / "ours", ours, folder / "wheels")
    build_wheel(PLUGIN, folder / "plugin", ("stripe_study", "setup.cfg", "pyproject.toml"), folder / "wheels")
    venv.create(folder / "fresh", symlinks=True)
    python = folder / "fresh" / "bin" / "python"
    wheels = sorted((folder / "wheels").glob("*.whl"))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", *wheels],
        check=True, capture_output=True, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )  # fmt: skip
    (site,) = (folder / "fresh").glob("lib/python*/site-packages")
    (site / "tests.pth").write_text(sysconfig.get_path("purelib"))  # torch and the like; ours come first
    return folder / "fresh" / "bin"


def run(folder: Path, *command: str | Path, **variables: str) -> str:
    """What a command prints, started in a folder without a checkout on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_package_of_somebody_else_brings_every_part_of_an_experiment(environment: Path, tmp_path: Path) -> None:
    kills = () if SOAK else ("--preset", "short", "--epochs", "2", "--kills", "1")
    (site,) = environment.parent.glob("lib/python*/site-packages")
    printed = run(tmp_path, warm_python(), "-c", COMMANDS, *kills, PYTHONPATH=str(site))
    found = json.loads(printed.splitlines()[-1])
    assert all(Path(file).is_relative_to(environment.parent) for file in found["files"])

    listed = printed.partition("run directory")[0]
    assert all(name in listed for name in ("stripe_net", "stripes", "short", "c1c2c3c40", "digits"))

    config = json.loads((tmp_path / "run" / "config.json").read_text())
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    (epoch,) = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert (config["network"]["arch"], config["network"]["arch_options"]) == ("stripe_net", {"width": 16})
    assert (results["data"], results["epochs"], config["training"]["batch_size"]) == ("stripes", 1, 40)
    assert 0 < epoch["val_top_2"] <= 1 and 0 < results["test_top_2"] <= 1
    assert found["handlers"]["hardest_batch"]["loss"] >= epoch["loss"]

    report = (tmp_path / "run" / "report" / "report.md").read_text()
    assert "## Verdict\n\n" in report and "of 60 test images have the stripes that were seen." in report
    assert "def stripe_net" in report
    assert "test top_2" in printed and "test accuracy" in printed
    assert printed.splitlines()[-2] == "equal"


def test_its_command_is_installed(environment: Path, tmp_path: Path) -> None:
    assert run(tmp_path, environment / "stripe-study", "--help").startswith("Usage: stripe-study")
