import os
from pathlib import Path

import pytest

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("EMBERFIELD_CACHE", str(folder))
    return folder


@pytest.fixture
def cifar10_folder() -> Path:
    """The whole CIFAR-10 as PNG files, where this machine has it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "cifar10"
    folder = Path(os.environ.get("EMBERFIELD_CIFAR10", default))
    if not (folder / "train").is_dir():
        pytest.skip("the whole CIFAR-10 is not here: set EMBERFIELD_CIFAR10 to its folder of class folders")
    return folder
