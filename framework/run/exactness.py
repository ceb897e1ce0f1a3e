"""What decides the bits of a computation beside settings, seeds and code: the machine."""

import os
from collections.abc import Mapping

import torch

from framework.run.environment import processor_name


def machine_of(device: torch.device, processes: int) -> dict[str, str | int]:
    """Threads, processor, instruction set, torch, device and driver, and the number of processes, by name."""
    machine: dict[str, str | int] = {
        "threads": torch.get_num_threads(),
        "processor": processor_name() or "unknown",
        "instruction set": torch.backends.cpu.get_cpu_capability(),
        "ONEDNN_MAX_CPU_ISA": os.environ.get("ONEDNN_MAX_CPU_ISA", "not set"),
        "torch": str(torch.__version__),
        "processes": processes,
        "device": device.type,
    }
    if device.type == "cuda":
        driver = getattr(torch._C, "_cuda_getDriverVersion", lambda: "unknown")()
        machine |= {"device": torch.cuda.get_device_name(device), "driver": driver, "CUDA": torch.version.cuda or ""}
    return machine


def machine_changes(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """A line for each part that is not the same."""
    return [
        f"{name} was {before.get(name, 'unknown')} and is now {now.get(name, 'unknown')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
