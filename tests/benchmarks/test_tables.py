from pathlib import Path

import click
from click.testing import CliRunner

from benchmarks.tables import publish, results_option


@click.command()
@results_option
def measure(results: Path) -> None:
    """A measurement that needs its folder from the first figure on."""
    click.echo(f"measured {results.is_dir()}")
    publish(results / "table.md", "Title", "text")


def test_the_folder_is_there_before_the_measurement(tmp_path: Path) -> None:
    result = CliRunner().invoke(measure, ["--results", str(tmp_path / "new" / "results")])
    assert (result.exit_code, result.output) == (0, "measured True\ntext\n")
    assert (tmp_path / "new" / "results" / "table.md").read_text() == "# Title\n\ntext\n"


def test_a_folder_that_cannot_be_made_is_refused_before_the_measurement(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(measure, ["--results", str(tmp_path / "file" / "results")])
    assert result.exit_code == 2 and "measured" not in result.output
    assert f"{tmp_path / 'file' / 'results'} cannot be made" in " ".join(result.output.replace("│", "").split())
