"""A `python` that answers at once: a server has imported what takes seconds, and forks for every call.

The tests start many short processes, and each would import torch and albumentations for some five seconds. What is
imported ahead is none of the code that is tested. A process of it has the open files, folder, environment and signals
of its caller, dies with it, and starts others like itself (`sys.executable`). All processes of pytest-xdist share the
server of the one that started them.
"""

import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import io
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
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
    "sklearn.datasets",
    "sklearn.datasets.data",
    "sklearn.model_selection",
    "tensorboardX",
    "tensorboardX.proto.plugin_hparams_pb2",
    "torch",
    "torch.distributed.run",
    "torch.utils.serialization",
    "torchsummary",
    "torchvision",
    "torchvision.transforms.v2",
)

SHARED = "EMBERFIELD_WARM_PYTHON"
"""The variable of the environment that names the `python` of the process that started this one."""

CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
arguments = [argument for argument in sys.argv[1:] if argument != "-u"]
if not arguments or arguments[0] not in ("-m", "-c") and not arguments[0].endswith(".py"):
    os.execv({python!r}, [{python!r}, *arguments])
def inherited(number):
    try:
        return os.get_inheritable(number)
    except OSError:
        return False
files = list(filter(inherited, range(250)))
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = json.dumps([arguments, os.getcwd(), dict(os.environ), files]).encode()
    socket.send_fds(server, [len(call).to_bytes(8, "big")], files)
    server.sendall(call)
    process = int.from_bytes(server.recv(8, socket.MSG_WAITALL), "big")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: os.kill(process, number))
    code = server.recv(1)
if not code:
    os.kill(os.getpid(), signal.SIGKILL)
os._exit(code[0])
"""
"""What is called in place of Python. A process that ends without a code was killed."""


@functools.cache
def warm_python() -> str:
    """The path of the `python`, whose server ends with the process that started it: this one, or that named above."""
    if shared := os.environ.get(SHARED):
        return shared
    folder = Path(tempfile.mkdtemp(prefix="warm-python-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    client, address = folder / "python", str(folder / "socket")
    client.write_text(CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    client.chmod(0o755)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()  # calls wait until all is imported
        number = str(listener.fileno())
        command = [sys.executable, __file__, str(client), number]
        server = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()])
    atexit.register(server.wait)
    atexit.register(server.terminate)
    return str(client)


def import_ahead(names: Sequence[str]) -> None:
    """Imports what processes forked from this one need, and has them share the memory of it."""
    for name in names:
        importlib.import_module(name)
    figure = importlib.import_module("matplotlib.figure").Figure()
    figure.subplots().set_title("title")
    figure.savefig(io.BytesIO())  # reads the fonts
    gc.collect()
    gc.freeze()  # or the first collection of each process would write to all pages


def serve(listener: socket.socket, client: str) -> None:
    """Answers calls, each in a process of its own, until it is terminated or its parent has been killed."""
    parent = os.getppid()
    import_ahead(AHEAD)
    listener.settimeout(1)
    while os.getppid() == parent:
        try:
            call, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            _answer(call, client)
        call.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(call: socket.socket, client: str) -> None:
    """Does what a call asks for, with its open files, folder and environment, and ends the process."""
    call = socket.socket(fileno=_moved(call.detach()))
    size, files, _, _ = socket.recv_fds(call, 8, 250)
    files = list(map(_moved, files))
    content = b""
    while len(content) < int.from_bytes(size, "big"):
        content += call.recv(65536)
    call.send(os.getpid().to_bytes(8, "big"))
    fcntl.fcntl(call, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(call, fcntl.F_SETSIG, signal.SIGKILL)  # at the end of the caller
    fcntl.fcntl(call, fcntl.F_SETFL, fcntl.fcntl(call, fcntl.F_GETFL) | os.O_ASYNC)
    arguments, folder, environment, numbers = json.loads(content)
    for number, file in zip(numbers, files, strict=True):
        os.dup2(file, number)
        os.close(file)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # the server's own, read before TMPDIR was that of the caller
    sys.path[:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.executable = client
    importlib.import_module("torch").set_num_threads(int(environment.get("OMP_NUM_THREADS", "1")))
    code = _run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    call.send(bytes([code % 256]))
    os._exit(0)


def _moved(file: int) -> int:
    """An open file under a number that no caller uses."""
    moved = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 300)
    os.close(file)
    return moved


def _run(arguments: Sequence[str]) -> int:
    """The exit code of `python` with these arguments."""
    sys.argv[:] = arguments if arguments[0].endswith(".py") else arguments[1:]
    try:
        if arguments[0] == "-m":
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        elif arguments[0] == "-c":
            sys.argv[0], sys.path[0] = "-c", ""
            exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.path[0] = str(Path(arguments[0]).parent)
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
    serve(socket.socket(fileno=int(sys.argv[2])), sys.argv[1])
