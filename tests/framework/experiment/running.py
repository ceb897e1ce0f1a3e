"""The command line called as a user would, for the tests of every command."""

import subprocess
from pathlib import Path

from click.testing import CliRunner, Result

from recipes.s7_cifar import main
from tests.warm_python import warm_python

ROOT = Path(__file__).resolve().parents[3]
SHORT = ("--limit-batches", "6", "--device", "cpu", "--precision", "float32")
QUICK = ("--data", "digits", "--batch-size", "32", *SHORT)


def run(*arguments: str | Path) -> Result:
    """The result of a command; an exception that is not an exit code is raised."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run_killed_after(step: int, *arguments: str) -> int:
    """The exit code of a command in a process of its own, killed when a checkpoint of `step` or later is written.

    A busy disk leaves out checkpoints within an epoch.
    """
    code = (
        "import os, sys\n"
        "from framework.checkpoint import manager\n"
        "real = manager.save_checkpoint\n"
        "def save(path, state):\n"
        "    real(path, state)\n"
        f"    if path.name >= 'step-{step:09}.pt':\n"
        "        os.kill(os.getpid(), 9)\n"
        "manager.save_checkpoint = save\n"
        "from recipes.s7_cifar import main\n"
        "main(sys.argv[1:])\n"
    )
    command = [warm_python(), "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode
