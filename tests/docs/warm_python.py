"""A `python` that answers at once: a server has imported what takes seconds, and forks for every call.

The documentation has many short commands, and each would import torch and albumentations for some five seconds. What
is imported ahead is none of the code that the documentation is about.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AHEAD = (
    "albumentations",
    "cv2",
    "ignite.distributed",
    "ignite.engine",
    "ignite.handlers",
    "ignite.metrics",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "onnxruntime",
    "onnxscript",
    "sklearn.datasets",
    "sklearn.model_selection",
    "tensorboardX",
    "torch",
    "torch.export",
    "torch.onnx",
    "torchsummary",
    "torchvision",
)

CLIENT = """#!{python} -IS
import json, os, socket, sys
if not (sys.argv[1:2] == ["-m"] or sys.argv[1:] and sys.argv[1].endswith(".py")):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(call).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(call)
    code = server.recv(1)
sys.exit(code[0] if code else "the process ended without an exit code")
"""


@contextmanager
def warm_python(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder with a `python`, for the PATH of what is started while the context lasts."""
    programs, address = folder / "bin", str(folder / "socket")
    programs.mkdir()
    client = programs / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    client.chmod(0o755)
    command = [sys.executable, "-m", __name__, address]
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield programs
        finally:
            server.terminate()


def serve(address: str) -> None:
    """Answers calls, each in a process of its own, until it is terminated."""
    for name in AHEAD:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            call, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(call)
            call.close()


def _answer(call: socket.socket) -> None:
    """Does what a call asks for, with its standard streams, folder and environment, and ends the process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(call, 8, 3)
    content = b""
    while len(content) < int.from_bytes(size, "big"):
        content += call.recv(65536)
    arguments, folder, environment = json.loads(content)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    code = _run(arguments, folder)
    sys.stdout.flush()
    sys.stderr.flush()
    call.send(bytes([code]))
    os._exit(0)


def _run(arguments: Sequence[str], folder: str) -> int:
    """The exit code of `python` with these arguments."""
    try:
        if arguments[0] == "-m":
            sys.argv[:], sys.path[0] = list(arguments[1:]), folder
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv[:], sys.path[0] = list(arguments), str(Path(folder, arguments[0]).parent)
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        return _exit_code(ended.code)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _exit_code(given: Any) -> int:
    if given is None or isinstance(given, int):
        return int(given or 0)
    print(given, file=sys.stderr)
    return 1


if __name__ == "__main__":
    serve(sys.argv[1])
