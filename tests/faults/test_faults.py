"""That every patch is still one: `python -m tests.faults`, in make soak, shows that it is caught."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.patches import ROOT, Fault, applies, faults, read_fault

KINDS = {"resume", "checkpoint", "seed", "constraint", "field", "loss", "augment"}


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_a_fault_applies_and_names_a_test_that_is_there(fault: Fault) -> None:
    assert applies(fault, ROOT, check=True)
    assert (ROOT / fault.test[0]).exists()


def test_there_are_thirty_of_every_kind() -> None:
    kinds = [fault.name.split("-")[1] for fault in faults()]
    assert len(kinds) >= 30
    assert {kind for kind in kinds if kinds.count(kind) >= 3} == KINDS


def test_a_patch_that_does_not_apply_is_found(tmp_path: Path) -> None:
    text = (
        faults()[0].path.read_text().replace("--- a/framework", "--- a/nowhere").replace("+++ b/framework", "+++ b/no")
    )
    (tmp_path / "01-x.patch").write_text(text)
    assert not applies(read_fault(tmp_path / "01-x.patch"), ROOT, check=True)
    (tmp_path / "02-x.patch").write_text("nothing\nat all\n")
    with pytest.raises(ValueError, match=r"02-x\.patch has to begin with"):
        read_fault(tmp_path / "02-x.patch")


@pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="takes ten minutes: make soak")
@pytest.mark.timeout(3600)
def test_every_fault_is_caught() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.faults"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
