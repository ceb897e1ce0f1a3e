"""The learning-rate range test as a picture."""

from collections.abc import Sequence
from pathlib import Path

from framework.report.drawing import INK, saved_figure


def save_rate_test(path: Path, rates: Sequence[float], losses: Sequence[float], suggestion: float, title: str) -> None:
    """Saves the smoothed loss over the learning rate, with the suggestion, as a PNG or, by the name's end, an SVG."""
    with saved_figure(path, (7, 4.5), dpi=100) as figure:
        axes = figure.subplots()
        axes.plot(rates, losses)
        axes.axvline(suggestion, color="tab:red", linestyle="--", label=f"suggestion: {suggestion:.3g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss, smoothed", title=title)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_ylim(top=min(max(losses), 2 * losses[0]))
        axes.grid(alpha=0.3)
        axes.legend(labelcolor=INK)
