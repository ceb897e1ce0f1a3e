import pytest

from tests.reliability.processes import EVERY_STEP, digest, finish, said


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run leaves that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    return digest(folder)
