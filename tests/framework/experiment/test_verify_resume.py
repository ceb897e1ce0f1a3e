import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.framework.experiment.running import ROOT
from tests.warm_python import warm_python

COMMAND = (
    *("-m", "recipes.s7_cifar", "verify-resume", "--data", "digits", "--device", "cpu"),
    *("--batch-size", "32", "--limit-batches", "4", "--epochs", "2"),
)


@pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="test_outsider has a short form: make soak")
def test_a_killed_run_is_proved_equal() -> None:
    """By Muon; by SGD, with a loss term and a handler, in `test_outsider`."""
    options = ("--preset", "speedrun", "--batch-size", "32", "--limit-batches", "10")
    command = [warm_python(), *COMMAND, *options, "--kills", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].startswith("left alone: 2 epochs in ")
    assert len(lines) == 4 and all(re.match("killed; to go on from|ended before", line) for line in lines[1:3])
    assert lines[3] == "equal"


def test_a_run_that_is_not_exact_is_found_out(tmp_path: Path) -> None:
    """A network that draws its weights from the operating system: no seed can make two of its runs equal."""
    (tmp_path / "unsteady.py").write_text(
        "import os, torch\n"
        "from torch import nn\n"
        "def network(*, num_classes, in_channels=3):\n"
        "    torch.manual_seed(int.from_bytes(os.urandom(7)))\n"
        "    return nn.Sequential(nn.Conv2d(in_channels, 4, 3, 4), nn.Flatten(), nn.Linear(256, num_classes))\n"
    )
    done = subprocess.run(
        [warm_python(), *COMMAND, "--arch", "unsteady:network", "--no-constraints", "--kills", "1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 10, done.stderr
    assert done.stderr.startswith("error: the two runs are not equal: /model/")
    assert "equal" not in done.stdout.splitlines()
