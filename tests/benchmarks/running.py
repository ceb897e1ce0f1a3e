"""The benchmarks' commands called as a user would, and the tables that they print."""

from pathlib import Path

import click
from click.testing import CliRunner


def run(command: click.Command, *arguments: str | Path) -> str:
    """What a command prints; whatever ends it otherwise than well is raised."""
    done = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def table_rows(text: str) -> list[list[str]]:
    """The cells of the Markdown tables in a text, line by line, without headers."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    rules = [number for number, cells in enumerate(lines) if cells[0] == "---"]
    return [cells for number, cells in enumerate(lines) if number not in rules and number + 1 not in rules]
