from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.convolutions import depthwise_layers, main
from tests.benchmarks.running import run, table_rows


@pytest.fixture
def threads_as_before() -> Iterator[None]:
    """The command computes on one core, whatever else this process does."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("threads_as_before")
def test_every_depthwise_convolution_is_timed_in_both_precisions_and_kept(tmp_path: Path) -> None:
    printed = run(main, "--batch-size", "1", "--repeats", "1", "--results", tmp_path)
    rows = table_rows(printed)
    assert [cells[1] for cells in rows] == ["bfloat16", "float32"] * (len(rows) // 2)
    assert len({cells[0] for cells in rows}) == len(rows) // 2 > 1
    assert (tmp_path / "convolutions.md").read_text().endswith(f"\n\n{printed}")


def test_a_layer_is_found_once_for_each_shape_that_it_is_given() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
    )
    shapes = {name: tuple(shape) for name, (_, shape) in depthwise_layers(network, torch.rand(2, 3, 8, 8)).items()}
    assert shapes == {
        "3x3, stride 1, dilation 1; 4 x 8 x 8": (2, 4, 8, 8),
        "3x3, stride 2, dilation 1; 4 x 8 x 8": (2, 4, 8, 8),
        "3x3, stride 1, dilation 1; 4 x 4 x 4": (2, 4, 4, 4),
    }
