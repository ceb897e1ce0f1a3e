import os
from pathlib import Path

import pytest
import torch

import architectures
from benchmarks.latency import main
from benchmarks.separable import separable_reference, stages
from framework.inspection.cost import multiply_adds
from tests.benchmarks.running import run, table_rows

SHAPE = (3, 32, 32)


@pytest.mark.parametrize("arch", ["c1c2c3c40", "c1c2c3c40_quick", "c1c2c3c40_mirror", "c1c2c3c40_gated_mirror_small"])
def test_the_reference_costs_what_the_network_costs_at_the_same_map_sizes(arch: str) -> None:
    network = architectures.create(arch)
    reference = separable_reference(network, SHAPE, 10).eval()
    assert multiply_adds(reference, SHAPE) == pytest.approx(multiply_adds(network, SHAPE), rel=0.05)
    pairs = list(zip(stages(network, SHAPE), stages(reference, SHAPE), strict=True))
    assert all(theirs.size == ours.size for theirs, ours in pairs)
    assert all(ours.multiply_adds == pytest.approx(theirs.multiply_adds, rel=0.35) for theirs, ours in pairs)
    assert reference(torch.rand(2, *SHAPE)).shape == (2, 10)


def test_the_reference_is_made_of_separable_blocks() -> None:
    reference = separable_reference(architectures.create("c1c2c3c40_quick"), SHAPE, 10)
    first, *others = (layer for layer in reference.modules() if isinstance(layer, torch.nn.Conv2d))
    assert (first.groups, first.kernel_size) == (1, (3, 3))
    for depthwise, pointwise in zip(others[::2], others[1::2], strict=True):
        assert depthwise.groups == depthwise.in_channels == depthwise.out_channels
        assert (depthwise.kernel_size, pointwise.kernel_size, pointwise.groups) == ((3, 3), (1, 1), 1)


@pytest.mark.skipif(not os.environ.get("EMBERFIELD_SOAK"), reason="exports a published network: make soak")
def test_a_network_stands_beside_its_reference(tmp_path: Path) -> None:
    rows = table_rows(run(main, "c1c2c3c40_quick", "--rounds", "2", "--results", tmp_path))
    network, runtime, float32, int8, reference, ratio, _ = rows[0]
    assert (network, runtime, int8) == ("c1c2c3c40_quick", "PyTorch", "-")
    assert float(float32) / float(reference) == pytest.approx(float(ratio), rel=0.05)
    assert (tmp_path / "latency.md").read_text().startswith("# One image on one thread of ")
