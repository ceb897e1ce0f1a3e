"""Ten kills each: python -m benchmarks.resume. Does a killed and resumed run end with the weights of one left alone?

Each library trains the same small task in its own stock way (benchmarks/survivors), once whole, once more whole as a
control, and then killed by SIGKILL at a random instant and started again until it ends. Writes results/resume.md.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

LIBRARIES = ("emberfield", "ignite_stock", "lightning_stock")


def start(library: str, folder: Path) -> "subprocess.Popen[str]":
    """A process that trains in a folder, or goes on there."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"benchmarks.survivors.{library}", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def end(library: str, folder: Path) -> str:
    """Runs to the end: the digest of the final weights, or the last line of the error."""
    _, errors = (process := start(library, folder)).communicate()
    if process.returncode:
        return f"fails: {errors.strip().splitlines()[-1][:100]}"
    return (folder / "final.sha256").read_text(encoding="utf-8")


@click.command()
@click.option("--kills", default=10, show_default=True, help="runs to kill for each library")
def main(kills: int) -> None:
    """Prints and writes the table."""
    lines = ["| library | the same run twice | killed and resumed: equal | other weights | fails |", "| --- " * 5 + "|"]
    for library in LIBRARIES:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            began = time.perf_counter()
            whole = end(library, folder / "whole")
            seconds = time.perf_counter() - began
            steady = "equal" if end(library, folder / "again") == whole else "differs"
            outcomes = []
            for number in range(kills):
                place = folder / str(number)
                while True:  # until a kill has met it alive
                    process = start(library, place)
                    try:
                        process.wait(random.uniform(0.3, 1.0) * seconds)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait()
                        break
                    place = folder / f"{number}-{time.monotonic_ns()}"
                outcomes.append(end(library, place))
            equal = outcomes.count(whole)
            fails = sum(outcome.startswith("fails") for outcome in outcomes)
            lines.append(f"| {library} | {steady} | {equal} of {kills} | {kills - equal - fails} | {fails} |")
            click.echo(f"{library}: {set(outcomes) - {whole}}", err=True)
    table = "\n".join(lines)
    click.echo(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "resume.md").write_text(f"# Killed and resumed\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
