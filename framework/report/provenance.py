"""Where a run comes from: the code, the libraries, the device and the day."""

from collections.abc import Mapping
from typing import Any

LIBRARIES = ("torch", "torchvision", "pytorch-ignite", "albumentations")
"""The packages whose versions can change what is computed."""


def provenance(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of what and which, from a run's environment.json; what it does not say is left out."""
    commit, packages = environment.get("commit"), environment.get("packages")
    device, processor = environment.get("device"), environment.get("cpu")
    said = {
        "commit": commit and f"{commit}{', with changes' if environment.get('uncommitted_changes') else ''}",
        "versions": ", ".join(
            f"{name} {version}"
            for name, version in {
                "Python": environment.get("python"),
                **{name: packages.get(name) for name in LIBRARIES if isinstance(packages, Mapping)},
            }.items()
            if version
        ),
        "device": ", ".join(str(part) for part in (device, *_gpus(environment), processor) if part),
        "begun": environment.get("begun"),
    }
    return [(what, str(which)) for what, which in said.items() if which]


def _gpus(environment: Mapping[str, Any]) -> list[str]:
    used = str(environment.get("device")).startswith("cuda")
    devices = environment.get("cuda_devices")
    return list(dict.fromkeys(map(str, devices))) if used and isinstance(devices, list) else []
