from pathlib import Path

import pytest

from tests.framework.experiment.running import QUICK, run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run of two short epochs, not to be changed, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    result = run(*QUICK, "--epochs", "2", "--out", folder)
    assert result.exit_code == 0, result.output
    return folder, result.output
