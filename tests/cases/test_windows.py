"""What Windows lacks, made unavailable here: fcntl, SIGHUP, the mask of signals."""

import json
import subprocess
from pathlib import Path

from tests.cases.inputs import noise, save
from tests.framework.experiment.running import ROOT
from tests.reliability.processes import TRAIN
from tests.warm_python import warm_python

PROGRAM = """
import json, os, signal, sys
sys.modules["fcntl"] = sys.modules["resource"] = None  # an import of it is an ImportError
for name in ("SIGHUP", "pthread_sigmask"):
    delattr(signal, name)
import torch
torch.set_num_threads(1)
from recipes.s7_cifar import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as ended:
        assert not ended.code, ended.code
"""


def test_the_commands_need_nothing_that_windows_lacks(tmp_path: Path) -> None:
    folder, image = tmp_path / "run", tmp_path / "image.png"
    save(noise(0), image)
    trained = ["train", *TRAIN, "--epochs", "1", "--workers", "1", "--out", str(folder)]
    predicted = ["predict", "--checkpoint", str(folder), "--arch", "tests.reliability.networks:small", str(image)]
    command = [warm_python(), "-c", PROGRAM, json.dumps([["summary"], trained, predicted])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "Total params" in done.stdout and (folder / "results.json").is_file()
    assert f"{image}  " in done.stdout.splitlines()[-1] and done.stdout.endswith(" %\n")
    assert f"{folder} cannot be locked on this system: start no second process on it" in done.stderr
