"""The machine and its libraries: what is there, whether it fits together, and which device to compute on."""

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from framework.errors import DeviceError, EmberfieldError
from framework.run.code_version import commit_of, git

if TYPE_CHECKING:
    import torch

PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-ignite",
    "albumentations",
    "opencv-python-headless",
    "pillow",
    "torchsummary",
    "tensorboardX",
    "click",
    "numpy",
    "scikit-learn",
    "matplotlib",
    "tqdm",
    "filelock",
    "markdown-it-py",
    "safetensors",
)
"""The distributions that a run depends on."""

TORCH_OF = {"litert-torch": (2, 14), "executorch": (2, 14)}
"""The release of torch that a distribution of an extra was tested with, and needs."""

LEAST_FREE = 2 * 10**9
"""Bytes of free disk below which `doctor` complains."""


@dataclass(frozen=True)
class Check:
    """One line of the doctor: what was looked at, whether it is well, and what was seen."""

    name: str
    ok: bool
    detail: str


def check_libraries() -> None:
    """Raises DeviceError, saying what to install, if torch and torchvision are not a pair that works.

    To be called before anything else imports torchvision: a wheel for another torch fails while it is imported.
    """
    try:
        importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        found = " and ".join(f"{name} {version_of(name) or 'missing'}" for name in ("torch", "torchvision"))
        raise DeviceError(
            f"torch and torchvision do not fit each other ({found}): {error}. "
            "Install the pair together: pip install --upgrade torch torchvision"
        ) from error


def process_rank() -> int:
    """This process's number among those that torchrun started; 0 without it.

    Raises EmberfieldError if what torchrun sets is there in part, as when one of its variables is left over.
    """
    found = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "MASTER_ADDR")}
    rank, world_size, port, address = found.values()
    if rank in ("", "0") and world_size in ("", "1"):
        return 0
    numbers = all(text.isdecimal() for text in (rank, world_size, port))
    if not numbers or not address or int(rank) >= int(world_size):
        told = ", ".join(f"{name} is {text or 'not set'}" for name, text in found.items())
        raise EmberfieldError(f"start several processes with torchrun, or unset RANK and WORLD_SIZE: {told}")
    return int(rank)


def choose_device(name: str) -> "torch.device":
    """The device for 'auto' (CUDA where there is one), 'cpu', 'cuda' or 'cuda:N'.

    Where torchrun has started several processes on a machine, 'auto' and 'cuda' are a GPU for each. Raises DeviceError
    for another name, or a CUDA device that is not there.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if count else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (":" in name and not number.isdecimal())):
        raise DeviceError(f"unknown device {name!r}. Valid: auto, cpu, cuda, cuda:N")
    if kind == "cuda" and int(number or 0) >= count:
        raise DeviceError(f"device {name!r} is not there: this machine has {count or 'no'} CUDA device(s)")
    return torch.device(name)


def fast_bfloat16(device: "torch.device") -> bool:
    """Whether the device claims instructions for bfloat16: CUDA from capability 8.0, a CPU by AVX-512 BF16 or AMX."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and not {"avx512_bf16", "amx_bf16"}.isdisjoint(
        _cpu_information().get("flags", "").split()
    )


def require_compiler() -> None:
    """Raises EmberfieldError where torch.compile would find no C++ compiler to call."""
    if not (os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")):
        raise EmberfieldError("compile needs a C++ compiler, and there is neither g++ nor clang++; leave it out")


def make_deterministic() -> None:
    """Has torch take only algorithms that give equal bits each time, for the rest of the process.

    Before the first use of a GPU. An operation that has no such algorithm raises RuntimeError and is named in it.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def default_workers(device: "torch.device") -> int:
    """How many processes augment ahead: none where training takes the cores, up to 8 where a GPU does the work."""
    return 0 if device.type == "cpu" else min(8, max((os.cpu_count() or 1) - 1, 0))


def describe_environment() -> dict[str, object]:
    """The time, versions, machine and source commit as plain values; what cannot be found out is None."""
    import torch

    root = Path(__file__).resolve().parents[2]
    return {
        "begun": datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda_devices": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "packages": {name: version_of(name) for name in PACKAGES},
        "commit": commit_of(root),
        "uncommitted_changes": None if (status := git(root, "status", "--porcelain")) is None else bool(status),
    }


def processor_name() -> str | None:
    """What the processor calls itself, None where that cannot be found out."""
    return _cpu_information().get("model name")


def doctor(folders: Sequence[Path]) -> list[Check]:
    """What a run needs, each looked at on its own; `folders` are the ones that a run writes to."""
    version = platform.python_version()
    checks = [Check("python", (3, 11) <= sys.version_info < (3, 14), f"{version}; valid: 3.11 to 3.13")]
    for name in PACKAGES:
        installed = version_of(name)
        checks.append(Check(name, installed is not None, installed or f"missing: pip install {name}"))
    checks += [_with_torch(name, release) for name, release in TORCH_OF.items() if version_of(name)]
    try:
        check_libraries()
    except DeviceError as error:
        checks.append(Check("torch with torchvision", False, str(error)))
    else:
        device = choose_device("auto")
        checks.append(Check("torch with torchvision", True, "they fit each other"))
        checks.append(Check("device", True, f"{device}; bfloat16 {'yes' if fast_bfloat16(device) else 'no'}"))
    for folder in folders:
        existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        checks.append(Check("disk", free >= LEAST_FREE, f"{free / 1e9:.1f} GB free at {existing}"))
    return checks


def _with_torch(name: str, release: tuple[int, int]) -> Check:
    major, minor = release
    installed = version_of("torch") or "missing"
    fits = installed.split(".")[:2] == [str(major), str(minor)]
    needs = f"{name} {version_of(name)} needs torch>={major}.{minor},<{major}.{minor + 1}; installed: {installed}"
    return Check(f"torch with {name}", fits, "they fit each other" if fits else needs)


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, None without one."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_information() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
