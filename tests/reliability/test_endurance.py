"""A long run does not grow."""

import os
import time
from pathlib import Path

import pytest

from tests.reliability.processes import said, start

TINY = (
    *("--data", "digits", "--arch", "tests.reliability.networks:small", "--no-constraints", "--device", "cpu"),
    *("--precision", "float32", "--batch-size", "2", "--val-size", "37", "--checkpoint-every", "500"),
)
"""700 steps in an epoch."""


@pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="takes ten minutes: make soak")
@pytest.mark.timeout(3600)
def test_200_000_steps_take_no_more_memory_or_files_than_20_000(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    process = start(folder, "--epochs", "286", train=TINY)
    place = Path(f"/proc/{process.pid}")
    warm: tuple[int, int] | None = None
    last = (0, 0)
    while process.exitcode is None and "test accuracy" not in said(folder):
        epochs = said(folder).count("epoch ")
        if epochs >= 29:
            pages = int((place / "statm").read_text().split()[1])
            last = (pages * os.sysconf("SC_PAGE_SIZE"), len(list((place / "fd").iterdir())))
            warm = warm or last
        time.sleep(2)
    process.join()
    assert process.exitcode == 0, said(folder)
    assert warm is not None
    with capsys.disabled():
        print(f"\nafter 20,000 steps {warm[0]:,} bytes and {warm[1]} files, before the end {last[0]:,} and {last[1]}")
    assert last[0] <= 1.02 * warm[0]
    assert last[1] <= warm[1]
