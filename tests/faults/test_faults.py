"""That every patch is still one: `python -m tests.faults`, in make soak, shows that it is caught."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.patches import ROOT, Fault, applies, faults, read_fault, run_tests

KINDS = {"resume", "checkpoint", "seed", "constraint", "field", "loss", "augment", "data", "int8", "run", "received",
         "network", "command", "report"}  # fmt: skip
PACKAGES = ("+++ b/framework/", "+++ b/architectures/", "+++ b/recipes/")
MOST_LINES = 5
SOAK = pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="starts pytest again and again: make soak")


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_a_fault_applies_and_names_a_test_that_is_there(fault: Fault) -> None:
    assert applies(fault, ROOT, check=True)
    for test in fault.tests:
        path, name = test.partition("[")[0].split("::")
        assert f"def {name}(" in (ROOT / path).read_text()


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_a_fault_is_a_few_lines_of_the_packages(fault: Fault) -> None:
    lines = fault.path.read_text().splitlines()
    changed = [line for line in lines if line.startswith("+++")]
    assert all(line.startswith(PACKAGES) for line in changed)
    added, removed = (sum(line.startswith(sign) and not line.startswith(3 * sign) for line in lines) for sign in "+-")
    assert 1 <= max(added, removed) <= MOST_LINES


def test_there_are_thirty_of_every_kind() -> None:
    kinds = [fault.name.split("-")[1] for fault in faults()]
    assert len(kinds) >= 30
    assert {kind for kind in kinds if kinds.count(kind) >= 3} == set(kinds) == KINDS


def test_a_patch_that_does_not_apply_is_found(tmp_path: Path) -> None:
    text = (
        faults()[0].path.read_text().replace("--- a/framework", "--- a/nowhere").replace("+++ b/framework", "+++ b/no")
    )
    (tmp_path / "01-x.patch").write_text(text)
    assert not applies(read_fault(tmp_path / "01-x.patch"), ROOT, check=True)
    (tmp_path / "02-x.patch").write_text("nothing\nat all\n")
    with pytest.raises(ValueError, match=r"02-x\.patch has to begin with"):
        read_fault(tmp_path / "02-x.patch")


@SOAK
def test_tests_pass_fail_or_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    (tmp_path / "test_x.py").write_text("def test_a():\n    pass\n\ndef test_b():\n    assert 0\n")
    assert run_tests(["test_x.py::test_a"], tmp_path).passed
    failing = run_tests(["test_x.py"], tmp_path)
    assert not failing.passed and failing.failed == "test_x.py::test_b" and "assert 0" in failing.output
    with pytest.raises(RuntimeError, match="not found"):
        run_tests(["test_x.py::test_c"], tmp_path)


@SOAK
@pytest.mark.timeout(3600)
def test_every_fault_is_caught() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.faults"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
