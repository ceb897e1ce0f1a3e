import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from framework.errors import DeviceError
from framework.run import environment
from framework.run.environment import choose_device, default_workers, describe_environment, doctor, fast_bfloat16
from tests.warm_python import warm_python

ROOT = Path(__file__).resolve().parents[3]


def test_auto_is_what_is_there() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", "", "cuda:-1"])
def test_unknown_devices_are_named(name: str) -> None:
    with pytest.raises(DeviceError, match="Valid: auto, cpu, cuda, cuda:N"):
        choose_device(name)


def test_absent_cuda_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="this machine has no CUDA device"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match=r"'cuda:2' is not there: this machine has 2"):
        choose_device("cuda:2")
    assert choose_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize(("flags", "fast"), [("avx2 avx512_bf16", True), ("amx_bf16", True), ("avx512f", False)])
def test_cpu_bfloat16_is_read_from_its_flags(monkeypatch: pytest.MonkeyPatch, flags: str, fast: bool) -> None:
    monkeypatch.setattr(environment, "_cpu_information", lambda: {"flags": flags})
    assert fast_bfloat16(torch.device("cpu")) is fast


@pytest.mark.parametrize(("capability", "fast"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_cuda_bfloat16_is_read_from_the_capability(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], fast: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert fast_bfloat16(torch.device("cuda")) is fast


def test_description_names_versions_and_machine() -> None:
    described: dict[str, Any] = describe_environment()
    assert json.loads(json.dumps(described)) == described
    assert described["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert described["python"] == sys.version.split()[0]
    assert described["threads"] == torch.get_num_threads()


def test_commit_and_changes_are_those_of_the_source_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "framework" / "run" / "environment.py"))

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def seen() -> tuple[object, object]:
        described = describe_environment()
        return described["commit"], described["uncommitted_changes"]

    assert seen() == (None, None)
    git("init", "--quiet")
    (tmp_path / "file").write_text("first")
    git("add", "file")
    git("commit", "--quiet", "--no-gpg-sign", "--message", "first")
    commit = git("rev-parse", "HEAD")
    assert seen() == (commit, False)
    (tmp_path / "file").write_text("second")
    assert seen() == (commit, True)


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "framework" / "run" / "environment.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_environment()["commit"] is None


def test_doctor_complains_of_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert all(check.ok for check in doctor([]))
    monkeypatch.setattr(environment, "LEAST_FREE", 10**18)
    monkeypatch.setattr(environment, "PACKAGES", ("torch", "no-such-package"))
    monkeypatch.setattr(environment, "TORCH_OF", {"numpy": (1, 2), "no-such-extra": (1, 2)})
    wrong = [check for check in doctor([tmp_path / "not" / "there"]) if not check.ok]
    assert [check.name for check in wrong] == ["no-such-package", "torch with numpy", "disk"]
    assert "needs torch>=1.2,<1.3; installed: 2." in wrong[1].detail


def test_a_torchvision_for_another_torch_is_found_out(tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    environment_variables = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "recipes.s7_cifar", "--data", "digits", "--out", str(tmp_path / "run")],
        env=environment_variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    (line,) = done.stderr.strip().splitlines()
    assert "operator torchvision::nms does not exist" in line
    assert "pip install --upgrade torch torchvision" in line


def test_workers_help_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_workers(torch.device("cpu")) == 0
    for cores, workers in ((1, 0), (2, 1), (64, 8)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert default_workers(torch.device("cuda")) == workers


def test_a_run_is_deterministic_if_asked(tmp_path: Path) -> None:
    """In a process of its own: the whole recipe runs under torch's deterministic algorithms, and only if asked."""
    code = (
        "import dataclasses, os, sys, torch\n"
        "from recipes.s7_cifar import EXPERIMENT\n"
        "def say(state=None):\n"
        "    print(torch.are_deterministic_algorithms_enabled(), os.environ.get('CUBLAS_WORKSPACE_CONFIG'))\n"
        "main = dataclasses.replace(EXPERIMENT, handlers={'say': say}).command_line()\n"
        "options = '--data digits --epochs 1 --limit-batches 2 --device cpu --out'.split()\n"
        "for number, more in enumerate(([], ['--deterministic'])):\n"
        "    main([*options, f'{sys.argv[1]}/run-{number}', *more], standalone_mode=False)\n"
        "say()"
    )
    done = subprocess.run(
        [warm_python(), "-c", code, str(tmp_path)],
        env={name: value for name, value in os.environ.items() if name != "CUBLAS_WORKSPACE_CONFIG"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith(("True", "False"))]
    assert said == ["False None", "True :4096:8", "False :4096:8"]  # the last one after both
