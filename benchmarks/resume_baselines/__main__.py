"""One training in a process of its own: python -m benchmarks.resume_baselines LIBRARY FOLDER trains, or resumes."""

import importlib
from pathlib import Path

import click

from benchmarks.resume_baselines import RESUME_BASELINES


@click.command()
@click.argument("library", type=click.Choice(RESUME_BASELINES))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--epochs", type=click.IntRange(min=1), help="epochs to train; by default those of the task")
def main(library: str, folder: Path, epochs: int | None) -> None:
    """Trains in a folder to the end, from a checkpoint if one is there, and leaves final.sha256 of the weights."""
    from benchmarks.resume_baselines.task import EPOCHS, write_digest

    network = importlib.import_module(f"benchmarks.resume_baselines.{library}").train(folder, epochs or EPOCHS)
    write_digest(folder, network)


if __name__ == "__main__":
    main()
