import os
from pathlib import Path

import pytest

from benchmarks.overhead import main
from tests.benchmarks.running import run, table_rows

SOAK = bool(os.environ.get("EMBERFIELD_SOAK"))


def test_the_shares_of_a_step_are_all_of_it_and_are_kept(tmp_path: Path) -> None:
    options = ("--data", "digits", "--steps", "2", "--repeats", int(SOAK))  # start-up takes processes of its own
    printed = run(main, *map(str, options), "--results", tmp_path)
    shares = {name: float(share.removesuffix(" %")) for name, _, share in table_rows(printed)[2 * SOAK :]}
    assert list(shares) == ["step", "its batch", "all around"]
    assert sum(shares.values()) == pytest.approx(100, abs=0.03)
    assert min(shares.values()) > 0
    assert (tmp_path / "overhead.md").read_text().endswith(table_rows(printed)[-1][-1] + " |\n")
