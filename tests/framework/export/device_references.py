"""What the tools themselves say of every registered network in int8: the memory that tflite-micro reports, and files.

`EMBERFIELD_DEVICES=1 python -m tests.framework.export.device_references OUT.json [NETWORK ...]` writes it, in the
environment of `make devices-venv`; without names, of all networks that LiteRT can express.
"""

import contextlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from architectures import create, names
from framework.errors import EmberfieldError
from framework.export.formats import FORMATS
from framework.export.targets import stderr_lines
from tests.framework.export.test_formats import images, metadata


def trained_like(arch: str) -> nn.Module:
    """A network whose parameters and statistics are none that a converter could leave out, such as 0 and 1."""
    torch.manual_seed(0)
    network = create(arch).eval()
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
    return network


def allocated(content: bytes) -> dict[str, int]:
    """The arena and the persistent bytes that tflite-micro reports of a .tflite file: its 'head' and 'tail'."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 26)
    taken = interpreter.get_input_details(0)
    interpreter.set_input(torch.zeros(*taken["shape"]).numpy().astype(taken["dtype"]), 0)
    interpreter.invoke()
    with stderr_lines() as lines:
        interpreter.print_allocations()
    head, tail = (int(n) for n in re.findall(r"Arena allocation (?:head|tail) (\d+) bytes", "".join(lines)))
    return {"arena": head, "persistent": tail}


def int8(network: nn.Module, name: str = "litert") -> bytes:
    """A file of a network in int8, calibrated on a few images of noise."""
    write = FORMATS[name].write_int8
    assert write is not None
    return write(network, metadata(), images(4))


def reference(arch: str, formats: Sequence[str] = ("onnx", "executorch")) -> dict[str, Any]:
    """What is said of one network: its memory if tflite-micro runs it, and its file for LiteRT and others."""
    network = trained_like(arch)
    content = int8(network)
    files = {"litert": len(content)}
    for name in formats:
        with contextlib.suppress(EmberfieldError):
            files[name] = len(int8(network, name))
    memory = dict[str, int]()
    with contextlib.suppress(RuntimeError):  # tflite-micro lacks an operator
        memory = allocated(content)
    return {**memory, "files": files}


def main(out: Path, chosen: list[str]) -> None:
    """Writes the references of the chosen networks as JSON, into those that are there."""
    found = json.loads(out.read_text("utf-8")) if out.exists() else {}
    for arch in chosen or names():
        try:
            found[arch] = reference(arch)
        except EmberfieldError as error:
            print(f"{arch}: {error}")
    out.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
