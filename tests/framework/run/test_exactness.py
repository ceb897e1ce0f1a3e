import os

import pytest
import torch

from framework.run.exactness import machine_changes, machine_of

CPU = torch.device("cpu")


def test_the_same_machine_has_no_change() -> None:
    assert machine_changes(machine_of(CPU, 1), machine_of(CPU, 1)) == []


def test_every_part_that_decides_the_bits_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine_of(CPU, 1)
    capability, threads = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA", "not set")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "VSX")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    monkeypatch.setattr(torch, "__version__", "9.9")
    assert machine_changes(before, machine_of(CPU, 2)) == [
        f"threads was {threads} and is now {threads + 1}",
        f"instruction set was {capability} and is now VSX",
        f"ONEDNN_MAX_CPU_ISA was {isa} and is now SSE41",
        f"torch was {before['torch']} and is now 9.9",
        "processes was 1 and is now 2",
    ]


def test_a_part_that_was_not_known_is_a_change() -> None:
    assert machine_changes({"device": "cpu"}, {"device": "cpu", "driver": 5}) == ["driver was unknown and is now 5"]
