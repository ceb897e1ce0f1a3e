"""Measurements as Markdown tables, in files that are kept."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

RESULTS = Path(__file__).parent / "results"
"""Where the kept results lie."""

Command = TypeVar("Command", bound=Callable[..., Any])


def results_option(command: Command) -> Command:
    """Adds `--results` to a click command: the folder to write into, made before anything is measured."""
    place = click.Path(file_okay=False, path_type=Path)
    help_text = "the folder to write into"
    return click.option("--results", type=place, default=RESULTS, callback=_made, help=help_text)(command)


def _made(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(f"the folder {folder} cannot be made: {error.strerror}") from error
    return folder


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, without a newline at its end."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def publish(path: Path, title: str, text: str) -> None:
    """Prints a text, and writes it below a title into a file."""
    click.echo(text)
    path.write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
