"""Every registered architecture on every registered data set, in a toy of its format, through the commands."""

import itertools
import json
import os
from pathlib import Path

import pytest

from architectures import names, options
from framework.data.registry import dataset_names
from tests.framework.data.toys import WRITERS
from tests.framework.experiment.running import run

SOAK = bool(os.environ.get("EMBERFIELD_SOAK"))
ARCHITECTURES, DATA_SETS = names(), dataset_names()
COVERING = list(zip(ARCHITECTURES, itertools.cycle(DATA_SETS), strict=False))
"""Pairs in which each architecture is, and each data set; all pairs are tried by `make soak`."""

PAIRS = list(itertools.product(ARCHITECTURES, DATA_SETS)) if SOAK else COVERING
WHOLE = PAIRS if SOAK else COVERING[::5]
"""Those that are exported and reported on too, which takes the most time."""

SHORT = ("--epochs", "1", "--limit-batches", "2", "--batch-size", "4", "--no-constraints")
CPU = ("--device", "cpu", "--precision", "float32")


def network_options(arch: str) -> tuple[str, ...]:
    """What names an architecture, made narrow where it has widths."""
    widths = options(arch).get("widths")
    narrow = {"widths": [8 * max(1, width // 64) for width in widths]} if widths else {}
    return ("--arch", arch, "--arch-options", json.dumps(narrow))


def output(*arguments: str | Path) -> str:
    """What a command prints, which has to end with exit code 0."""
    result = run(*arguments)
    assert result.exit_code == 0, f"{arguments[0]} ended with {result.exit_code}:\n{result.output}"
    return result.output


def test_the_short_form_has_every_name() -> None:
    assert [set(column) for column in zip(*COVERING, strict=True)] == [set(ARCHITECTURES), set(DATA_SETS)]


@pytest.mark.parametrize(("arch", "data"), PAIRS)
def test_a_pair_goes_through_the_commands(
    arch: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBERFIELD_CACHE", str(tmp_path))
    if data in WRITERS:
        WRITERS[data](tmp_path, monkeypatch)
    network, out = network_options(arch), tmp_path / "run"
    output("train", *network, "--data", data, *SHORT, *CPU, "--out", out)
    config = json.loads((out / "config.json").read_text())
    assert (config["network"]["arch"], config["data"]["data"]) == (arch, data)
    size = str(config["data"]["image_size"])
    assert "receptive field" in output("summary", *network, "--image-size", size, "--no-constraints")
    assert "test accuracy" in output("evaluate", "--checkpoint", out, "--device", "cpu")
    if (arch, data) in WHOLE:
        file = ("--format", "torch", "--out", tmp_path / "network.pt2")
        assert "equal predictions" in output("export", "--checkpoint", out, "--data", data, *file)
        output("report", out, "--device", "cpu")
        assert (out / "report" / "report.html").is_file()
