"""Ten kills each: python -m benchmarks.resume. Does a killed and resumed run end with the weights of one left alone?

Each library trains the same small task in its own stock way (benchmarks/resume_baselines), once whole, once more whole
as a control, and then killed by SIGKILL at a random instant and started again until it ends. Writes results/resume.md.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.command import require_installed
from benchmarks.resume_baselines import RESUME_BASELINES
from benchmarks.tables import markdown_table, publish, results_option

HEADER = ("library", "the same run twice", "killed and resumed: equal", "other weights", "fails")


def start(command: Sequence[str], folder: Path) -> "subprocess.Popen[str]":
    """A process that trains in a folder, or resumes there."""
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(command: Sequence[str], folder: Path) -> str:
    """Runs to the end: the digest of the final weights, or the last line of the error."""
    _, errors = (process := start(command, folder)).communicate()
    if process.returncode:
        return f"fails: {(errors.strip().splitlines() or ['in silence'])[-1][:100]}"
    return (folder / "final.sha256").read_text(encoding="utf-8")


def killed(command: Sequence[str], folder: Path, longest: float) -> Path:
    """A folder below `folder` in which a training was killed alive, between 0.3 and 1.0 of `longest` seconds."""
    number = 0
    while True:  # until a kill has met it alive
        place = folder / str(number)
        process = start(command, place)
        try:
            process.communicate(timeout=random.uniform(0.3, 1.0) * longest)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return place
        number += 1


def measure(name: str, command: Sequence[str], kills: int) -> tuple[str, ...]:
    """A library's line of the table; `command` is its training, to be followed by the folder."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        began = time.perf_counter()
        whole = finish(command, folder / "whole")
        seconds = time.perf_counter() - began
        if whole.startswith("fails"):
            raise click.ClickException(f"{name}, not killed, {whole}")
        steady = "equal" if finish(command, folder / "again") == whole else "differs"
        outcomes = [finish(command, killed(command, folder / f"killed-{n}", seconds)) for n in range(kills)]
    equal = outcomes.count(whole)
    fails = sum(outcome.startswith("fails") for outcome in outcomes)
    click.echo(f"{name}: {set(outcomes) - {whole}}", err=True)
    return name, steady, f"{equal} of {kills}", str(kills - equal - fails), str(fails)


@click.command()
@click.option("--kills", default=10, show_default=True, help="runs to kill for each library")
@click.option("--library", "libraries", multiple=True, type=click.Choice(RESUME_BASELINES), help="by default all")
@results_option
def main(kills: int, libraries: tuple[str, ...], results: Path) -> None:
    """Prints and writes the table."""
    chosen = libraries or RESUME_BASELINES
    require_installed(chosen, "--library")
    command = [sys.executable, "-m", "benchmarks.resume_baselines"]
    rows = [measure(library, [*command, library], kills) for library in chosen]
    publish(results / "resume.md", "Killed and resumed", markdown_table(HEADER, rows))


if __name__ == "__main__":
    main()
