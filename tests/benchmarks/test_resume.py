import sys
from pathlib import Path

import click
import pytest

from benchmarks.resume import main, measure
from benchmarks.resume_baselines.__main__ import main as baseline_main
from tests.benchmarks.running import run
from tests.warm_python import warm_python

BEGIN = ': > "$1/begun"; sleep 0.4; '
"""A training: it leaves a mark and takes its time."""


def shell(script: str) -> list[str]:
    """A command that is given a folder as $1."""
    return ["sh", "-c", script, "sh"]


EXACT = shell(BEGIN + 'printf weights > "$1/final.sha256"')
OTHER = shell(f'[ -e "$1/begun" ] && w=others || w=weights; {BEGIN} printf $w > "$1/final.sha256"')
UNABLE = shell(f'[ -e "$1/begun" ] && echo cannot resume >&2 && exit 1; {BEGIN} printf weights > "$1/final.sha256"')
UNSTEADY = shell(BEGIN + 'printf $$ > "$1/final.sha256"')


@pytest.mark.parametrize(
    ("command", "row"),
    [
        (EXACT, ("equal", "1 of 1", "0", "0")),
        (OTHER, ("equal", "0 of 1", "1", "0")),
        (UNABLE, ("equal", "0 of 1", "0", "1")),
        (UNSTEADY, ("differs", "0 of 1", "1", "0")),
    ],
    ids=["exact", "other weights", "unable to resume", "never the same"],
)
def test_a_library_is_judged_by_what_its_resumed_trainings_leave(command: list[str], row: tuple[str, ...]) -> None:
    assert measure("it", command, kills=1) == ("it", *row)


def test_a_training_that_fails_without_a_kill_is_no_result() -> None:
    with pytest.raises(click.ClickException, match="it, not killed, fails: no such network"):
        measure("it", shell("echo no such network >&2; exit 3"), kills=1)


def test_the_command_writes_a_row_for_each_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", warm_python())
    printed = run(main, "--library", "ignite_stock", "--kills", "0", "--results", tmp_path)
    assert "| ignite_stock | equal | 0 of 0 | 0 | 0 |" in printed
    assert (tmp_path / "resume.md").read_text() == f"# Killed and resumed\n\n{printed}"


def test_emberfield_trains_in_its_folder_and_has_nothing_to_add_when_it_is_finished(trained: Path) -> None:
    digest = (trained / "final.sha256").read_text()
    assert len(digest) == 64
    run(baseline_main, "emberfield", trained, "--epochs", "1")
    assert (trained / "final.sha256").read_text() == digest


@pytest.mark.parametrize("library", ["ignite_stock", "lightning_stock"])
def test_every_other_library_trains_and_leaves_a_checkpoint(library: str, tmp_path: Path) -> None:
    if library == "lightning_stock":
        pytest.importorskip("lightning", reason="lightning is not installed: pip install -e '.[benchmarks]'")
    run(baseline_main, library, tmp_path, "--epochs", "1")
    assert len((tmp_path / "final.sha256").read_text()) == 64
    assert list(tmp_path.glob("checkpoint_*.pt")) or (tmp_path / "last.ckpt").exists()
