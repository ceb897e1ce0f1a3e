"""Several runs side by side: mean and standard deviation by variant, as plain data and as a table."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from framework.run.printable import printable

HEADER = ("variant", "runs", "parameters", "validation", "test", "seconds", "exact")


def spread(values: Sequence[float | None]) -> dict[str, float | None] | None:
    """Mean and sample standard deviation (n - 1), which a single value has not; None where a value is missing."""
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return None
    deviation = statistics.stdev(present) if len(present) > 1 else None
    return {"mean": statistics.fmean(present), "deviation": deviation}


def summarize(variants: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The figures by variant, from the results of its runs, and the variant with the best validation accuracy.

    `best` is None where no images were held out: the test images choose nothing. The first of equals is the best.
    """
    figures: dict[str, Any] = {
        name: {
            "seeds": [result["seed"] for result in results],
            "parameters": results[0]["parameters"],
            **{
                figure: spread([result[figure] for result in results])
                for figure in ("validation_accuracy", "test_accuracy", "training_seconds")
            },
            "exact": all(result["exact"] for result in results),
        }
        for name, results in variants.items()
    }
    validated = {
        name: line["validation_accuracy"]["mean"] for name, line in figures.items() if line["validation_accuracy"]
    }
    chosen = max(validated, key=validated.__getitem__) if len(validated) == len(figures) else None
    best = None if chosen is None else {"variant": chosen, "test_accuracy": figures[chosen]["test_accuracy"]}
    return {"variants": figures, "best": best}


def percent(figure: Mapping[str, float | None] | None) -> str:
    """An accuracy as `mean ± deviation %`."""
    if figure is None or figure["mean"] is None:
        return "none held out"
    deviation = figure["deviation"]
    return f"{100 * figure['mean']:.2f}" + (f" ± {100 * deviation:.2f} %" if deviation is not None else " %")


def rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A line for each variant of a summary, under HEADER."""
    return [
        (
            name,
            str(len(line["seeds"])),
            f"{line['parameters']:,}",
            percent(line["validation_accuracy"]),
            percent(line["test_accuracy"]),
            f"{line['training_seconds']['mean']:.0f}",
            "yes" if line["exact"] else "no",
        )
        for name, line in summary["variants"].items()
    ]


def choice(summary: Mapping[str, Any]) -> str:
    """The sentence on the best variant."""
    if summary["best"] is None:
        return "No images were held out, so no variant is chosen as the best."
    name, test = summary["best"]["variant"], percent(summary["best"]["test_accuracy"])
    return f"Best on validation: {printable(name)}, test accuracy {test}."


def text_table(summary: Mapping[str, Any]) -> str:
    """The table in columns, for a log."""
    lines = [HEADER, *([printable(cell) for cell in row] for row in rows(summary))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
