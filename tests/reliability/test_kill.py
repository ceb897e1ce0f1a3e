"""Killed at any instant and started again, a run ends with the bits of one that was left alone."""

import os
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tests.reliability.processes import EVERY_STEP, At, digest, finish, kill_at, said

SOAK = bool(os.environ.get("EMBERFIELD_SOAK"))
KILLS = 40 if SOAK else 3
"""Random instants for each way of making batches."""

INSTANTS = [
    ("os:fsync", "before", (5, 35)),
    ("os:fsync", "after", (36,)),
    ("pathlib:Path.replace", "before", (16,)),
    ("pathlib:Path.replace", "after", (1,)),
    ("pathlib:Path.unlink", "before", (1,)),
    ("pathlib:Path.unlink", "after", (1,)),
    ("torch:save", "before", (5,)),
    ("framework.engine.fit:finish_epoch", "before", (2,)),
    ("framework.engine.fit:finish_epoch", "after", (3,)),
    ("framework.engine.epoch:snapshot", "before", (1,)),
    ("framework.run.logs:EpochLog._append", "after", (3,)),
    ("framework.experiment.artifacts:evaluate_model", "before", (1,)),
]
"""A call, and which ones of them: those in a short test, every one in a long.

A busy disk leaves out checkpoints that are due, so those of the short test are there with one an epoch too.
"""


def test_another_checkpoint_interval_and_number_of_workers_change_nothing(
    whole: dict[str, str], tmp_path: Path
) -> None:
    assert finish(tmp_path / "run", "--workers", "2", "--checkpoint-every", "0.05s") == 0, said(tmp_path / "run")
    assert digest(tmp_path / "run") == whole


@pytest.mark.parametrize("made", [("cpu", "0"), ("cpu", "2"), ("device", "0")], ids="-".join)
def test_a_kill_at_any_instant_changes_nothing(
    whole: dict[str, str], tmp_path: Path, made: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    augment_on, workers = made
    options: tuple[str, ...] = (*EVERY_STEP, "--augment-on", augment_on)
    options += ("--workers", workers) if augment_on == "cpu" else ()
    if augment_on == "device":
        assert finish(tmp_path / "whole", *options) == 0
        whole = digest(tmp_path / "whole")
    generator = np.random.default_rng(int(workers))
    hit = run = 0
    while hit < KILLS:
        folder = tmp_path / f"run{run}"
        for _ in range(3):
            hit += kill_at(folder, float(generator.uniform(0.05, 1.5)), *options)
        assert finish(folder, *options) == 0, said(folder)
        assert digest(folder) == whole, f"run {run}"
        run += 1
    with capsys.disabled():
        print(f"\n{augment_on}, {workers} workers: {hit} processes killed in {run} runs, equal bits in all")


@pytest.mark.parametrize(("call", "when", "chosen"), INSTANTS)
def test_a_kill_at_an_instant_that_chance_never_hits_changes_nothing(
    whole: dict[str, str], tmp_path: Path, call: str, when: Literal["before", "after"], chosen: tuple[int, ...]
) -> None:
    died = 0
    for n in range(1, 300) if SOAK else chosen:
        folder = tmp_path / f"run{n}"
        code = finish(folder, *EVERY_STEP, at=At(call, n, when))
        assert code in (0, -9), said(folder)
        died += code == -9
        if code == -9:
            assert finish(folder, *EVERY_STEP) == 0, said(folder)
        assert digest(folder) == whole, (call, n, when)
        assert not list(folder.rglob(".*.part"))
        if code == 0:  # the run has fewer such calls
            break
        shutil.rmtree(folder)
    assert died


def spoil_the_seeding() -> None:
    """Draws dropout from where the process happens to be."""
    from framework.engine import trainer

    trainer.torch_seed = lambda seed, purpose, step=0: int.from_bytes(os.urandom(7))  # type: ignore[assignment]


def test_broken_seeding_is_found_out(whole: dict[str, str], tmp_path: Path) -> None:
    """The negative control of all the tests above."""
    folder = tmp_path / "run"
    assert finish(folder, *EVERY_STEP, prepare="tests.reliability.test_kill:spoil_the_seeding") == 0, said(folder)
    spoilt = digest(folder)
    assert spoilt["state"] != whole["state"] and spoilt["log"] != whole["log"]
