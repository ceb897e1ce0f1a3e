import os
from pathlib import Path

import pytest
import torch

from tests.framework.experiment.running import QUICK, run
from tests.warm_python import SHARED, warm_python

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    """Starts one warm Python for all processes of pytest-xdist, which imports while they collect."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault(SHARED, warm_python())


@pytest.fixture(autouse=True)
def seeded() -> None:
    """A test without a seed of its own draws the same numbers in every run and order."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("EMBERFIELD_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run of two short epochs, not to be changed, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    result = run(*QUICK, "--epochs", "2", "--out", folder)
    assert result.exit_code == 0, result.output
    return folder, result.output


@pytest.fixture
def cifar10_folder() -> Path:
    """The whole CIFAR-10 as PNG files, where this machine has it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "cifar10"
    folder = Path(os.environ.get("EMBERFIELD_CIFAR10", default))
    if not (folder / "train").is_dir():
        pytest.skip("the whole CIFAR-10 is not here: set EMBERFIELD_CIFAR10 to its folder of class folders")
    return folder
