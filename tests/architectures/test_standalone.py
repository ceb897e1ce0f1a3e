"""One file of a network, run where neither this repository nor any other package but torch can be imported."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from architectures import create, names, standalone
from architectures.registry import ArchitectureError
from tests.warm_python import warm_python

BLOCKED = ("architectures", "framework", "recipes", "albumentations", "torchvision", "timm", "cv2", "ignite")
OPTIONS: dict[str, dict[str, Any]] = {
    "c1c2c3c40": {"num_classes": 7, "in_channels": 1, "norm": "layer", "act": "silu"},
    "resnet18": {"num_classes": 100},
    "s6_net": {"in_channels": 1},
}
"""What some are made with besides; the others are made as they are."""

RUN = """
import importlib.abc, json, sys, pathlib, torch
sys.path[:] = [place for place in sys.path if place not in ("", {root!r})]
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
for name in [name for name in sys.modules if name.split(".")[0] in {blocked!r}]:
    del sys.modules[name]
for file in json.loads({files!r}):
    names = {{"__name__": "model"}}
    exec(compile(pathlib.Path(file).read_text(), file, "exec"), names)
    network, given = names["network"], torch.load(file + ".pt")
    shapes = {{key: value.shape for key, value in given["weights"].items()}}
    assert {{key: value.shape for key, value in network.state_dict().items()}} == shapes, file
    network.load_state_dict(given["weights"])
    with torch.no_grad():
        assert torch.equal(network.eval()(given["images"]), given["logits"]), file
    print(file)
"""


def test_every_network_of_ours_runs_from_one_file_and_gives_equal_logits(tmp_path: Path) -> None:
    files = []
    for name in names():
        options = OPTIONS.get(name, {})
        torch.manual_seed(0)
        network = create(name, **options).eval()
        for key, value in network.state_dict().items():  # not the running statistics of a new network
            if "running" in key:
                value.uniform_(0.5, 1.5)
        images = torch.randn(2, options.get("in_channels", 3), 32, 32)
        with torch.no_grad():
            given = {"weights": network.state_dict(), "images": images, "logits": network(images)}
        file = tmp_path / f"{name}.py"
        file.write_text(standalone(name, **options))
        torch.save(given, f"{file}.pt")
        files.append(str(file))
    root = str(Path(__file__).resolve().parents[2])
    code = RUN.format(blocked=BLOCKED, files=json.dumps(files), root=root)
    done = subprocess.run([warm_python(), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == files


def test_as_a_program_it_prints_the_number_of_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    text = standalone("c1c2c3c40")
    exec(compile(text, "model.py", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == "184,762 parameters\n"
    assert text.startswith('"""The network c1c2c3c40 in one file, which needs torch alone."""')
    assert "@register" not in text and "architectures import" not in text


def test_the_code_is_that_of_the_files_given() -> None:
    from architectures import source_files

    files = dict(source_files("s6_net"))
    (path,) = (path for path in files if path.endswith("s6_net.py"))
    files[path] = files[path].replace("def s6_net(", "def s6_net(  # as it was")
    assert "# as it was" in standalone("s6_net", files)
    assert "# as it was" not in standalone("s6_net")


def test_a_network_of_another_package_is_not_rewritten() -> None:
    with pytest.raises(ArchitectureError, match="torch.nn:Flatten is not of this repository"):
        standalone("torch.nn:Flatten")
    with pytest.raises(ArchitectureError, match="unknown architecture 'nothing'"):
        standalone("nothing")
    with pytest.raises(ArchitectureError, match="widht"):
        standalone("c1c2c3c40", widht=3)
