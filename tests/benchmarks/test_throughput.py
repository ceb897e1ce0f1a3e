import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.baselines import BASELINES
from benchmarks.baselines.__main__ import main as baseline_main
from benchmarks.throughput import BARE, PEERS, SEARCH, Case, cases, compare, main
from tests.benchmarks.running import run, table_rows

SMALLEST = ("--data", "digits", "--device", "cpu", "--steps", "1", "--warmup", "1", "--batch-size", "4")


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_trains_and_is_measured(baseline: str) -> None:
    if baseline == "lightning_stock":
        pytest.importorskip("lightning", reason="lightning is not installed: pip install -e '.[benchmarks]'")
    printed = run(baseline_main, baseline, *SMALLEST, "--augment", "--tuned", "--precision", "float32")
    found = json.loads(printed.splitlines()[-1])
    assert found["images_per_second"] > 0
    assert found["peak_bytes"] > 10**8
    assert found["precision"] == "float32"


def test_the_command_writes_its_table_and_its_figures(tmp_path: Path) -> None:
    options = ("--baseline", "bare", "--rounds", "1", "--precision", "float32", "--results", tmp_path / "results")
    printed = run(main, *SMALLEST, *options)
    ((*what, rate, _, ratio, _),) = table_rows(printed)
    assert (what, ratio) == (["bare", "tuned", "none", "0"], "1.000")
    assert (tmp_path / "RESULTS.md").read_text().endswith(f"\n\n{printed}")
    (kept,) = json.loads((tmp_path / "results" / "throughput-cpu.json").read_text())
    assert rate == f"{kept['images_per_second']:,.0f}"


def test_a_round_takes_every_baseline_and_each_peer_as_it_is_and_tuned() -> None:
    assert len(cases(BASELINES)) == 1 + 2 + 4 * len(PEERS)
    assert cases(["emberfield"]) == [
        BARE,
        Case("emberfield", "tuned", "none"),
        Case("emberfield", "tuned", "sheet"),
    ]


def test_a_figure_is_a_median_its_ratio_is_within_a_round_and_a_tuned_peer_has_the_best_workers() -> None:
    peer = Case("loop", "tuned", "none")
    rates = {BARE: iter([100.0, 200.0, 400.0]), peer: iter([50.0, 20.0, 160.0])}
    workers_of_peer = []

    def measure(case: Case, workers: int, further: Sequence[str]) -> Mapping[str, Any]:
        if further == SEARCH:
            return {"images_per_second": {0: 1.0, 2: 3.0, 4: 2.0}[workers]}
        if case == peer:
            workers_of_peer.append(workers)
        return {"images_per_second": next(rates[case]), "peak_bytes": 5}

    bare, found = compare([BARE, peer], measure, rounds=3)
    assert workers_of_peer == [2, 2, 2]
    assert (bare["workers"], bare["images_per_second"], bare["ratio_to_bare"]) == (0, 200.0, 1.0)
    assert (found["images_per_second"], found["slowest"], found["fastest"]) == (50.0, 20.0, 160.0)
    assert found["ratio_to_bare"] == 0.4  # of 0.5, 0.1 and 0.4; of the medians it is 0.25
