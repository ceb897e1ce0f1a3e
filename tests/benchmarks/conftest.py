from pathlib import Path

import pytest

from benchmarks.resume_baselines.__main__ import main
from tests.benchmarks.running import run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the smallest training by Emberfield has left its `run` and the digest of its weights."""
    folder = tmp_path_factory.mktemp("benchmarks") / "emberfield"
    run(main, "emberfield", folder, "--epochs", "1")
    return folder
