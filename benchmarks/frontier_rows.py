"""Small networks on CIFAR-10, ours and published ones: how accurate they are, and what they cost."""

import csv
import json
import re
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from architectures import PRETRAINED, create, pretrained_weights
from benchmarks.tables import RESULTS
from framework.config import saved_config
from framework.inspection.budget import int8_json
from framework.inspection.cost import graph_multiply_adds, parameter_count
from framework.inspection.graph import record

ROOT = Path(__file__).resolve().parents[1]
INPUT = (3, 32, 32)
LARGEST = 1_000_000
"""Parameters that none of our networks reaches but the teachers of records, which are left out."""


@dataclass(frozen=True)
class Row:
    """A network, its figures as they are shown: accuracy in percent, bytes, `0.22M` or `62.5 KiB`; empty if unknown."""

    network: str
    label: str
    float32: str
    int8: str
    parameters: str
    multiply_adds: str
    int8_file: str
    int8_memory: str
    distilled: str
    seeds: str
    source: str

    @property
    def ours(self) -> bool:
        """Others' sources are in the web."""
        return "://" not in self.source

    def figure(self, name: str) -> float | None:
        """What a field says as a number, None for an empty one: `0.22M` is 220,000, `62.5 KiB` 64,000."""
        match = re.match(r"([\d.,]+)\s*(M|KiB)?", getattr(self, name))
        return float(match[1].replace(",", "")) * {None: 1, "M": 1e6, "KiB": 1024}[match[2]] if match else None


def published() -> list[Row]:
    """The networks of others, in published.csv."""
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        return [Row(**line) for line in csv.DictReader(file)]


def ours() -> list[Row]:
    """What was trained for records/, then the published weights that came from elsewhere."""
    trained, weights = [*_recorded(ROOT / "records")], [*_published_weights()]
    trained += [each for each in weights if not any(_is_of(each, training) for training in trained)]
    int8 = json.loads((RESULTS / "int8.json").read_text("utf-8"))
    found = []
    for each in trained:
        names = [known["label"] for known in weights if _is_of(known, each)]
        measured = [int8[name]["litert"]["int8"] for name in names if "litert" in int8.get(name, {})]
        found.append(_row(**each, int8=f"{100 * measured[0]:.2f}" if measured else ""))
    return [row for row in found if (row.figure("parameters") or 0) < LARGEST]


def _is_of(weights: Mapping[str, Any], training: Mapping[str, Any]) -> bool:
    return weights["network"] == training["network"] and weights["accuracies"][0] in training["accuracies"]


def _recorded(records: Path) -> Iterator[dict[str, Any]]:
    """The trainings of each stage of each record, over all of their seeds."""
    for stage in sorted({path.parents[1] for path in records.glob("**/seed-*/results.json")}):
        results = [json.loads(path.read_text("utf-8")) for path in stage.glob("seed-*/results.json")]
        config = saved_config(sorted(stage.glob("**/config.json"))[0])
        name = stage.relative_to(records).as_posix()
        yield {
            "label": name,
            "network": (config.network.arch, dict(config.network.arch_options)),
            "accuracies": [run["test_accuracy"] for run in results],
            "distilled": bool(config.optimization.teacher),
            "source": f"[{name}](records/{name.partition('/')[0]}/README.md)",
        }


def _published_weights() -> Iterator[dict[str, Any]]:
    """The published weights; their model card says whether they are distilled."""
    card = (ROOT / "weights" / "README.md").read_text("utf-8").partition("## Training")[2]
    for name, weights in PRETRAINED.items():
        described = pretrained_weights(name).description
        line = re.search(rf"^\| `{name.partition('.')[0]}`.* \| (.+) \|$", card, re.MULTILINE)
        assert line, f"weights/README.md does not say what {name} is distilled from"
        yield {
            "label": name,
            "network": (described["arch"], described["arch_options"]),
            "accuracies": [weights.test_accuracy],
            "distilled": line[1] != "-",
            "source": "[weights](weights/README.md)",
        }


def _row(
    label: str,
    network: tuple[str, Mapping[str, Any]],
    accuracies: list[float],
    distilled: bool,
    source: str,
    int8: str,
) -> Row:
    arch, options = network
    made = create(arch, **options).eval()
    graph = record(made, INPUT)
    costs = int8_json(graph)
    percent = [100 * accuracy for accuracy in accuracies]
    return Row(
        network=f"**`{arch}`**",
        label=label,
        float32=f"{statistics.mean(percent):.2f}" + (f" ± {statistics.stdev(percent):.2f}" if percent[1:] else ""),
        int8=int8,
        parameters=f"{parameter_count(made):,}",
        multiply_adds=f"{graph_multiply_adds(graph) / 1e6:.1f}M",
        int8_file=f"{costs['int8_file_bytes']:,}",
        int8_memory=f"{costs['int8_memory_bytes']:,}",
        distilled="yes" if distilled else "no",
        seeds=str(len(percent)),
        source=source,
    )
