import dataclasses
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from benchmarks.frontier import BEGIN, END, PANELS, frontier, main, plot, table
from benchmarks.frontier_rows import Row, ours, published
from tests.benchmarks.running import run

ROOT = Path(__file__).parents[2]
SOAK = pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="draws a plot: make soak")


@pytest.fixture(scope="module")
def own() -> list[Row]:
    """Our rows, whose costs are computed once."""
    return ours()


def test_the_table_of_the_results_is_what_the_command_makes(own: list[Row]) -> None:
    committed = (ROOT / "RESULTS.md").read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    assert committed == table([*own, *published()])
    assert (ROOT / "docs" / "pictures" / "frontier.svg").stat().st_size < 200_000


def test_our_rows_say_what_the_records_say(own: list[Row]) -> None:
    found = {row.label: row for row in own}
    assert {"best-25k/untaught", "best-100k", "best-200k", "c1c2c3c40", "c1c2c3c40_quick"} <= found.keys()
    record = json.loads((ROOT / "records" / "best-25k" / "record.json").read_text())["stages"]["untaught"]
    untaught = found["best-25k/untaught"]
    assert untaught.figure("float32") == round(100 * record["test_accuracy"]["mean"], 2)
    assert (untaught.figure("parameters"), untaught.seeds) == (23_914, str(len(record["runs"])))
    assert [found[name].distilled for name in ("best-25k/untaught", "best-100k", "c1c2c3c40")] == ["no", "yes", "no"]
    assert not untaught.int8  # no weights of it are published
    assert "c1c2c3c40_mirror" not in found  # these weights are seeds of best-200k-dense


def test_every_published_figure_has_a_source_and_can_be_read() -> None:
    for row in published():
        assert "](https://" in row.source, row
        assert row.figure("float32") or row.figure("int8"), row
        assert row.distilled in ("yes", "no", ""), row
        assert all(row.figure(cost) or not getattr(row, cost) for cost in PANELS), row


def test_a_network_is_on_the_frontier_if_none_as_cheap_is_as_accurate() -> None:
    points = [(3.0, 90.0), (1.0, 80.0), (2.0, 80.0), (1.0, 70.0), (4.0, 85.0)]
    assert frontier(points) == [(1.0, 80.0), (3.0, 90.0)]


@SOAK
def test_no_label_covers_another() -> None:
    one = dataclasses.asdict(published()[0]) | dict.fromkeys(PANELS, "0.1M")
    rows = [Row(**one | {"label": f"network {n}", "float32": str(90 + n / 50)}) for n in range(9)]
    figure = Figure(figsize=(11, 9), layout="constrained")
    plot(figure, rows)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert len(boxes) == 9
    assert not any(box.overlaps(other) for n, box in enumerate(boxes) for other in boxes[:n])


@SOAK
def test_the_command_writes_table_and_plot_and_needs_the_markers(tmp_path: Path) -> None:
    document, picture = tmp_path / "RESULTS.md", tmp_path / "frontier.svg"
    document.write_text(f"before\n\n{BEGIN}old{END}\n\nafter\n")
    run(main, "--document", document, "--picture", picture)
    text = document.read_text("utf-8")
    assert (
        text.startswith("before\n\n<!--")
        and text.endswith("-->\n\nafter\n")
        and "best-100k" in text
        and "old" not in text
    )
    first = picture.read_text("utf-8")
    run(main, "--document", document, "--picture", picture)
    assert picture.read_text("utf-8") == first and "</svg>" in first
    document.write_text("nothing")
    refused = CliRunner().invoke(main, ["--document", str(document)])
    assert refused.exit_code == 1 and "lacks the markers" in refused.output
