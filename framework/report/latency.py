"""The figures of `benchmark` as a table, on a terminal and in the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from framework.report.evidence import Evidence
from framework.report.markdown import escape, table

HEADER = ("runtime", "precision", "median ms", "95 % ms", "CPU ms", "file bytes", "memory bytes", "accuracy")
NUMBERS = range(2, len(HEADER))
"""The columns that are aligned to the right."""


def latency_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The lines of the table under `HEADER`, of rows as `Benchmark.as_json` has them."""
    return [
        (
            row["runtime"],
            row["precision"],
            *(f"{row[name]:.3f}" for name in ("median_ms", "p95_ms", "cpu_ms")),
            *(f"{row[name]:,}" if row[name] else "" for name in ("bytes", "memory_bytes")),
            "" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f} %",
        )
        for row in rows
    ]


def checked_figures(found: Any) -> dict[str, Any]:
    """What `Benchmark.as_json` made, as it was read from a file. Raises ValueError for anything else."""
    try:
        latency_rows(found["rows"])
        texts = [found["weights_sha256"], found["judged"] or "", found["environment"]["cpu"] or "", *found["left_out"]]
        texts += [row[name] for row in found["rows"] for name in HEADER[:2]]
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError("it holds no figures of `benchmark`") from error
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("it holds no figures of `benchmark`")
    return dict(found)


def latency(evidence: Evidence) -> Sequence[str]:
    """What `benchmark` measured. Figures of other weights, as of a run that went on since, are not shown."""
    found = evidence.benchmark
    if found is None:
        return ("Not measured: call `benchmark`.",)
    if found["weights_sha256"] != evidence.weights:
        return ("`benchmark` measured other weights than these, before the run went on. Call it again.",)
    machine, judged = found["environment"], found["judged"]
    return (
        f"One image on one thread of {escape(machine['cpu'] or 'an unknown processor')}. Memory is that of "
        f"tflite-micro's plan for the int8 network.{f' Accuracy is on {escape(judged)}.' if judged else ''}",
        table(HEADER, latency_rows(found["rows"]), right=NUMBERS),
        *(escape(f"{line}.") for line in found["left_out"]),
    )
