"""What Windows lacks, made unavailable here: fcntl, SIGHUP, the mask of signals, folders that can be flushed."""

import subprocess
from pathlib import Path

from tests.framework.experiment.running import ROOT
from tests.reliability.processes import TRAIN
from tests.warm_python import warm_python

PROGRAM = """
import os, signal, sys
sys.modules["fcntl"] = sys.modules["resource"] = None  # an import of it is an ImportError
for name in ("SIGHUP", "pthread_sigmask"):
    delattr(signal, name)
import torch
torch.set_num_threads(1)
from recipes.s7_cifar import main
for arguments in (["summary"], sys.argv[1:]):
    try:
        main(arguments)
    except SystemExit as ended:
        assert not ended.code, ended.code
"""


def test_summary_and_training_need_nothing_that_windows_lacks(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = (*TRAIN, "--epochs", "1", "--workers", "1", "--out", str(folder))
    command = [warm_python(), "-c", PROGRAM, "train", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "Total params" in done.stdout and (folder / "results.json").is_file()
    assert f"{folder} cannot be locked on this system: start no second process on it" in done.stderr
