import os
from pathlib import Path

import pytest

from benchmarks import clock
from tests.benchmarks.running import run, table_rows
from tests.warm_python import warm_python

SOAK = bool(os.environ.get("EMBERFIELD_SOAK"))


def test_a_pair_is_trained_by_the_code_of_both_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not SOAK:
        pytest.skip("two whole commands: make soak")
    if os.system(f"git -C {clock.ROOT} cat-file -e {clock.BEFORE}^{{commit}} 2> /dev/null"):
        pytest.skip(f"this clone has no commit {clock.BEFORE}")
    monkeypatch.setattr("sys.executable", warm_python())
    printed = run(clock.main, "--data", "digits", "--pairs", "1", "--limit-batches", "2", "--results", tmp_path)
    ((seed, *cells),) = table_rows(printed)
    assert seed == "0" and [cell.split()[-1] for cell in cells] == ["s", "%", "s", "%"]
    assert "Median time today: " in (tmp_path / "clock.md").read_text()


def test_the_ratio_is_that_of_the_medians() -> None:
    pairs = [
        ({"training_seconds": before, "test_accuracy": 0.85}, {"training_seconds": today, "test_accuracy": 0.9})
        for before, today in ((100.0, 90.0), (200.0, 80.0), (150.0, 75.0))
    ]
    said = clock.report(pairs)
    assert "Median time today: 0.533 of" in said and "85.00 % before, 90.00 % today" in said
