import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.baselines import BASELINES
from benchmarks.baselines.__main__ import RECIPES
from benchmarks.baselines.loaders import by_torchvision
from benchmarks.baselines.setup import Clock, Setup
from benchmarks.command import NEEDS
from benchmarks.throughput import Case, cases, main, summary
from tests.benchmarks.running import run, table_rows
from tests.warm_python import warm_python

OURS, PEER = Case("emberfield", True), Case("loop", False)
SETUP = Setup(
    recipe="s6_normalization",
    channels_last=True,
    precision="float32",
    device=torch.device("cpu"),
    data="digits",
    batch_size=4,
    workers=0,
    warmup=1,
    steps=1,
    seconds=0.0,
    next_turn=lambda rate: rate is None,
)


@pytest.mark.filterwarnings("ignore")  # a library's own, while it is imported
@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_trains_and_is_measured(baseline: str) -> None:
    if baseline in NEEDS:
        pytest.importorskip(NEEDS[baseline], reason="not installed: pip install -e '.[benchmarks]'")
    rates: list[float | None] = []

    def next_turn(rate: float | None) -> bool:
        rates.append(rate)
        return len(rates) < 3

    importlib.import_module(f"benchmarks.baselines.{baseline}").run(dataclasses.replace(SETUP, next_turn=next_turn))
    first, *measured = rates
    assert first is None and len(measured) == 2 and all(rate is not None and rate > 0 for rate in measured)


def test_the_command_lets_processes_take_turns_and_keeps_what_they_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", warm_python())
    short = ("--batch-size", "4", "--steps", "1", "--seconds", "0", "--rounds", "2", "--precision", "float32")
    printed = run(
        main,
        *("--recipe", "s6_normalization", "--data", "s6_normalization=digits", "--baseline", "bare", *short),
        *("--results", tmp_path / "results"),
    )
    ours, bare = table_rows(printed)
    assert ours[:5] == ["s6_normalization", "float32", "4", "emberfield", "channels_last"] and ours[7] == "1.000"
    assert bare[3] == "bare"
    assert (tmp_path / "RESULTS.md").read_text().endswith(f"\n\n{printed}")
    kept = json.loads((tmp_path / "results" / "throughput-cpu.json").read_text())
    assert [f"{one['images_per_second']:,.0f}" for one in kept] == [ours[5], bare[5]]


def test_all_but_ours_and_the_limit_run_in_both_memory_formats() -> None:
    assert cases(["loop", "bare"]) == [OURS, PEER, Case("loop", True), Case("bare", True)]


def test_a_figure_is_a_median_and_its_ratio_is_within_a_round() -> None:
    def turns(*rates: float) -> list[dict[str, float]]:
        return [{"images_per_second": rate, "peak_bytes": 5, "threads": 1} for rate in rates]

    ours, peer = summary({OURS: turns(50, 20, 160), PEER: turns(100, 200, 400)})
    assert (ours["images_per_second"], ours["slowest"], ours["fastest"], ours["ratio"]) == (50, 20, 160, 1)
    assert (peer["images_per_second"], peer["ratio"]) == (200, 0.4)  # of 0.5, 0.1 and 0.4; of the medians it is 0.25


def test_a_turn_takes_whole_multiples_of_its_steps_and_its_seconds() -> None:
    at: list[int] = []

    def next_turn(rate: float | None) -> bool:
        at.append(step)
        return True

    clock = Clock(dataclasses.replace(SETUP, warmup=2, steps=3, next_turn=next_turn))
    endless = Clock(dataclasses.replace(SETUP, warmup=0, steps=3, seconds=60.0, next_turn=next_turn))
    for step in range(1, 9):  # noqa: B007 - next_turn looks at it
        clock()
        endless()
    assert at == [2, 3, 5, 8]


@pytest.mark.parametrize("recipe", RECIPES)
def test_torchvision_has_the_transforms_of_every_recipe(recipe: str) -> None:
    config = importlib.import_module(f"recipes.{recipe}").DEFAULTS
    side = config.data.image_size or 32
    image = np.full((side, side, 3), 7, np.uint8)
    for call in config.augmentation.transforms:
        changed = by_torchvision([{**call, "p": 1.0}], (90, 91, 92))(image)
        assert (changed.shape, changed.dtype) == ((3, side, side), torch.uint8)
        if call["name"] == "CoarseDropout":
            most = call.get("max_height") or call["hole_height_range"][1]
            assert (changed != 7).sum((1, 2)).tolist() == 3 * [most**2]
