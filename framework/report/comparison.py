"""Several runs beside each other: their figures by variant, and all their curves in one picture."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.report.drawing import saved_figure
from framework.run.history import EpochMetrics

HEADER = ("variant", "seeds", "parameters", "validation %", "test %", "time in s", "exact")
"""The columns of the table."""


@dataclass(frozen=True)
class Spread:
    """The mean of some figures, and their sample deviation (divided by n - 1), None for a single one."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """That of one value or more."""
        return cls(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)

    def text(self, factor: float = 1.0, digits: int = 2) -> str:
        """Mean ± deviation, times a factor."""
        mean = f"{factor * self.mean:.{digits}f}"
        return mean if self.deviation is None else f"{mean} ± {factor * self.deviation:.{digits}f}"


@dataclass(frozen=True)
class Variant:
    """The finished runs of one variant, which differ in their seeds: `results` and epochs of each."""

    name: str
    results: Sequence[dict[str, Any]]
    histories: Sequence[Sequence[EpochMetrics]]

    def spread(self, figure: str) -> Spread | None:
        """Of one of the results' figures; None where a run does not have it."""
        values = [result.get(figure) for result in self.results]
        return None if None in values else Spread.of([float(value) for value in values if value is not None])

    def row(self) -> tuple[str, ...]:
        """Its line of the table with HEADER."""
        validation, test, time = map(self.spread, ("validation_accuracy", "test_accuracy", "training_seconds"))
        return (
            self.name,
            ", ".join(str(result["seed"]) for result in self.results),
            " / ".join(f"{number:,}" for number in dict.fromkeys(result["parameters"] for result in self.results)),
            validation.text(100) if validation else "none",
            test.text(100) if test else "none",
            time.text(1, 0) if time else "none",
            "yes" if all(result["exact"] for result in self.results) else "no",
        )


def chosen(variants: Sequence[Variant]) -> Variant | None:
    """Of several variants the one with the best mean validation accuracy; None if one has no validation images."""
    means = [spread.mean for variant in variants if (spread := variant.spread("validation_accuracy"))]
    return variants[means.index(max(means))] if len(means) == len(variants) > 1 else None


def chosen_line(variants: Sequence[Variant]) -> str:
    """Which variant was chosen and how, with its test accuracy; empty for a single variant."""
    if (best := chosen(variants)) is None:
        return "no variant is chosen: there are no validation images" if len(variants) > 1 else ""
    _, _, _, validation, test, _, _ = best.row()
    return f"chosen on validation: {best.name}, {validation} % (mean of its seeds); its test accuracy: {test} %"


def save_compared_curves(path: Path, variants: Sequence[Variant], metric: str) -> None:
    """Saves 'loss' or 'accuracy' of all runs over the epochs as a PNG, each variant in its colour.

    Validation is a line, training, on augmented images, a dashed one.
    """
    import matplotlib

    factor = 100 if metric == "accuracy" else 1
    with saved_figure(path, (11, 5.5)) as figure:
        axes = figure.subplots()
        for number, variant in enumerate(variants):
            few = len(variants) <= 10
            colour = matplotlib.colormaps["tab10" if few else "turbo"](number if few else number / (len(variants) - 1))
            for history in variant.histories:
                epochs = [metrics["epoch"] for metrics in history]
                for key, style in ((f"val_{metric}", "-"), (metric, "--")):
                    if all(key in metrics for metrics in history):
                        values = [factor * metrics[key] for metrics in history]
                        width = 1.4 if style == "-" else 0.8
                        axes.plot(epochs, values, style, marker=".", markersize=3, color=colour, linewidth=width)
            axes.plot([], [], color=colour, label=variant.name)
        axes.set(xlabel="epoch", ylabel="accuracy in %" if factor == 100 else metric)
        axes.set_title("line: validation; dashed: training, augmented")
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
