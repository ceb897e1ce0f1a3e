"""Killed at any instant and started again, a run ends with the bits of one that was left alone."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.reliability.processes import At, digest, finish, kill_at, said

SOAK = bool(os.environ.get("EMBERFIELD_SOAK"))
KILLS = 50 if SOAK else 5
"""Random instants for each number of workers."""

CALLS = ("os:fsync", "pathlib:Path.replace", "pathlib:Path.unlink")
INSTANTS = [
    *((call, when) for call in CALLS for when in ("before", "after")),
    ("torch:save", "before"),
    ("framework.training:finish_epoch", "before"),
    ("framework.training:finish_epoch", "after"),
    ("framework.handlers:snapshot", "before"),
    ("framework.logs:EpochLog._write", "after"),
    ("recipes.artefacts:test_figures", "before"),
]
EVERY_STEP = ("--checkpoint-every", "3")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run leaves that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert finish(folder, *EVERY_STEP) == 0, said(folder)
    return digest(folder)


def test_another_checkpoint_interval_and_number_of_workers_change_nothing(
    whole: dict[str, str], tmp_path: Path
) -> None:
    assert finish(tmp_path / "run", "--workers", "2", "--checkpoint-every", "0.05s") == 0, said(tmp_path / "run")
    assert digest(tmp_path / "run") == whole


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_kill_at_any_instant_changes_nothing(
    whole: dict[str, str], tmp_path: Path, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(int(workers))
    hit = run = 0
    while hit < KILLS:
        folder = tmp_path / f"run{run}"
        for _ in range(3):
            hit += kill_at(folder, float(generator.uniform(0.05, 2.5)), *EVERY_STEP, "--workers", workers)
        assert finish(folder, *EVERY_STEP, "--workers", workers) == 0, said(folder)
        assert digest(folder) == whole, f"run {run}"
        run += 1
    with capsys.disabled():
        print(f"\n{hit} processes killed with {workers} workers in {run} runs: equal bits in every one")


@pytest.mark.parametrize(("call", "when"), INSTANTS)
def test_a_kill_at_an_instant_that_chance_never_hits_changes_nothing(
    whole: dict[str, str], tmp_path: Path, call: str, when: str
) -> None:
    died = 0
    for n in range(1, 200) if SOAK else (1, 4, 9):
        folder = tmp_path / f"run{n}"
        code = finish(folder, *EVERY_STEP, at=At(call, n, when))
        assert code in (0, -9), said(folder)
        died += code == -9
        if code == -9:
            assert finish(folder, *EVERY_STEP) == 0, said(folder)
        assert digest(folder) == whole, (call, n, when)
        assert not list(folder.rglob(".*.part"))
        if code == 0:  # the run has fewer such calls
            break
    assert died


def spoil_the_seeding() -> None:
    """Draws dropout from where the process happens to be."""
    from framework import engines

    engines.torch_seed = lambda seed, purpose, step=0: int.from_bytes(os.urandom(7))  # type: ignore[assignment]


def test_broken_seeding_is_found_out(whole: dict[str, str], tmp_path: Path) -> None:
    """The negative control of all the tests above."""
    folder = tmp_path / "run"
    assert finish(folder, *EVERY_STEP, prepare="tests.reliability.test_kill:spoil_the_seeding") == 0, said(folder)
    spoilt = digest(folder)
    assert spoilt["state"] != whole["state"] and spoilt["log"] != whole["log"]
