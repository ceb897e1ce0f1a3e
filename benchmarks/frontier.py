"""Accuracy on CIFAR-10 over what a network costs, ours beside published ones: python -m benchmarks.frontier.

Reads weights/, records/, results/int8.json and published.csv, and computes what ours cost. Writes the table between the
markers in RESULTS.md, and the plot.
"""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

from benchmarks.frontier_rows import ROOT, Row, ours, published
from benchmarks.tables import markdown_table
from framework.report.drawing import INK, saved_figure

BEGIN, END = "<!-- made by python -m benchmarks.frontier -->\n\n", "\n\n<!-- end -->"

COLUMNS = {
    "network": "network",
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "float32": "float, %",
    "int8": "int8, %",
    "int8_file": "int8 file",
    "int8_memory": "int8 memory",
    "distilled": "distilled",
    "seeds": "seeds",
    "source": "source",
}
"""The table, by the fields of a Row."""

PANELS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "int8_file": "int8 file, bytes",
    "int8_memory": "int8 memory, bytes",
}
"""The plot: the costs on the x axes."""

MARKS = ("float32", "int8")
COLORS = {False: "#4a86c5", True: "#d9730d"}
"""Of others' networks and of ours: either can be seen on white and on black."""


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown, by the number of parameters; those of unknown number last."""
    ordered = sorted(rows, key=lambda row: (row.figure("parameters") or math.inf, row.float32))
    return markdown_table(tuple(COLUMNS.values()), ([getattr(row, name) for name in COLUMNS] for row in ordered))


def frontier(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of the points (cost, accuracy) that are more accurate than all that cost no more, by their cost."""
    found: list[tuple[float, float]] = []
    for cost, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or accuracy > found[-1][1]:
            found.append((cost, accuracy))
    return found


def plot(figure: Figure, rows: Sequence[Row]) -> None:
    """A panel for each cost, with the frontiers of our networks and of others' that are not distilled."""
    panels = dict(zip(PANELS, figure.subplots(2, 2).flat, strict=True))
    for cost, axes in panels.items():
        _draw(axes, rows, cost)
    handles = [Line2D([], [], color=color, marker="o", linewidth=0.8) for color in COLORS.values()]
    for shape, filled in (("D", INK), ("o", "none")):
        handles.append(Line2D([], [], color=INK, marker=shape, markerfacecolor=filled, linestyle=""))
    figure.legend(handles, ("others", "Emberfield", "distilled", "int8"), loc="outside upper center", ncols=4)
    figure.draw_without_rendering()  # lays the axes out, so that places in pixels are known
    figure.set_layout_engine("none")
    for cost, axes in panels.items():
        _label(axes, {row.label: point for row in rows for mark in MARKS[::-1] for point in _points(row, cost, mark)})


def _points(row: Row, cost: str, mark: str = "float32") -> list[tuple[float, float]]:
    """The point of a row, none where a figure is not known."""
    place = row.figure(cost), row.figure(mark)
    return [(place[0], place[1])] if place[0] and place[1] else []


def _draw(axes: Axes, rows: Sequence[Row], cost: str) -> None:
    axes.set(xscale="log", xlabel=PANELS[cost], ylabel="test accuracy, %")
    axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter=EngFormatter(sep=""))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.25)
    axes.margins(x=0.15, y=0.08)
    for (own, color), distilled, mark in itertools.product(COLORS.items(), (False, True), MARKS):
        alike = [row for row in rows if (row.ours, row.distilled == "yes") == (own, distilled)]
        x, y = np.reshape([point for row in alike for point in _points(row, cost, mark)], (-1, 2)).T
        filled = color if mark == "float32" else "none"
        axes.plot(x, y, "D" if distilled else "o", color=color, markerfacecolor=filled, markersize=5)
    for own, color in COLORS.items():
        compared = [row for row in rows if row.ours == own and (own or row.distilled == "no")]
        steps = np.repeat(frontier(point for row in compared for point in _points(row, cost)), 2, axis=0)
        if len(steps):
            axes.plot(steps[1:, 0], steps[:-1, 1], color=color, linewidth=0.8, alpha=0.7)


def _label(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Writes each label where it covers no other, no mark and no line; where that is nowhere near, it is left out."""
    taken = []
    for line in axes.lines:
        pixels = axes.transData.transform(line.get_xydata())
        ends = zip(pixels, pixels, strict=True) if line.get_linestyle() == "None" else itertools.pairwise(pixels)
        taken += [Bbox(pair).padded(3) for pair in ends]
    for label, point in points.items():
        for distance, angle in itertools.product((8, 16, 26, 40) if label else (), range(0, 360, 30)):
            place = distance * math.cos(math.radians(angle)), distance * math.sin(math.radians(angle))
            side = "center" if angle in (90, 270) else "left" if place[0] > 0 else "right"
            text = axes.annotate(label, point, place, textcoords="offset points", ha=side, va="center", fontsize=7)
            box = text.get_window_extent()
            if axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max) and not box.count_overlaps(taken):
                taken.append(box)
                if distance > 8:
                    leader = {"arrowstyle": "-", "color": INK, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 3}
                    axes.annotate("", point, place, textcoords="offset points", arrowprops=leader)
                break
            text.remove()


@click.command()
@click.option("--document", type=click.Path(dir_okay=False, path_type=Path), default=ROOT / "RESULTS.md")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), default=ROOT / "docs/pictures/frontier.svg")
def main(document: Path, picture: Path) -> None:
    """Write the table into a document that has the markers, and the plot as an SVG."""
    rows = [*ours(), *published()]
    before, begin, rest = document.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise click.ClickException(f"{document} lacks the markers {BEGIN.strip()} and {END.strip()}")
    document.write_text(before + begin + table(rows) + end + after, "utf-8")
    with matplotlib.rc_context({"svg.hashsalt": "frontier"}), saved_figure(picture, (11, 9)) as figure:
        plot(figure, rows)
    picture.write_text(re.sub(r"\s*<dc:date>.*</dc:date>|(?<=\n) +", "", picture.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
