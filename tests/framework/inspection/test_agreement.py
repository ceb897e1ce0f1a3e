"""Two independent measurements of the receptive field and of the coverage agree, network by network."""

import os

import numpy as np
import pytest
import torch
from torch import nn

from architectures import names
from framework.inspection import receptive_field
from framework.inspection.coverage import coverage_mask
from framework.inspection.support import measured_coverage, measured_field
from tests.framework.inspection.random_networks import narrow, random_network

NETWORKS = 500 if os.environ.get("EMBERFIELD_SOAK") else 25


def test_random_networks_have_the_field_that_gradients_show() -> None:
    for seed in range(NETWORKS):
        torch.manual_seed(seed)
        network = random_network(seed)
        field = receptive_field(network, (3, 96, 96))
        assert field.method == "exact"
        exact = field.network
        measured = measured_field(network, (3, 96, 96)).network
        assert exact.size == measured.size, f"seed {seed}: {exact} {measured}\n{network}"


def test_random_networks_are_covered_as_gradients_show() -> None:
    blind = 0
    for seed in range(NETWORKS):
        network = random_network(seed)
        exact = coverage_mask(network, (3, 96, 100))
        np.testing.assert_array_equal(
            exact, measured_coverage(network, (3, 96, 100)), err_msg=f"seed {seed}\n{network}"
        )
        blind += not exact.all()
    assert blind  # the comparison means something only if some pixels are lost


@pytest.mark.parametrize("name", names())
def test_registered_networks_agree(name: str) -> None:
    network = narrow(name)
    # From 36 pixels a field of 197 is measured on 288, from 32 on 512, in three times the memory.
    exact, measured = receptive_field(network, (3, 32, 32)), measured_field(network, (3, 36, 36))
    assert (exact.method, measured.method) == ("exact", "gradients")
    assert exact.network.size == measured.network.size
    np.testing.assert_array_equal(coverage_mask(network, (3, 32, 32)), measured_coverage(network, (3, 32, 32)))


@pytest.mark.parametrize("padding", [nn.ReflectionPad2d(3), nn.ReplicationPad2d(3), nn.ZeroPad2d(3)])
def test_what_the_padding_repeats_is_covered(padding: nn.Module) -> None:
    network = nn.Sequential(padding, nn.Conv2d(3, 4, 1, stride=4))
    exact = coverage_mask(network, (3, 12, 13))
    np.testing.assert_array_equal(exact, measured_coverage(network, (3, 12, 13)))
    assert 0 < exact.sum() < exact.size


def test_the_last_window_of_ceil_mode_is_covered() -> None:
    network = nn.Sequential(nn.MaxPool2d(2, 2, ceil_mode=True), nn.Conv2d(3, 4, 1, stride=3))
    exact = coverage_mask(network, (3, 13, 13))
    np.testing.assert_array_equal(exact, measured_coverage(network, (3, 13, 13)))
    assert exact[12, 12]


def test_a_pixel_that_resizing_meets_exactly_is_read_alone() -> None:
    network = nn.Sequential(nn.Upsample((7, 9), mode="bilinear", align_corners=True), nn.Conv2d(3, 4, 1))
    exact = coverage_mask(network, (3, 13, 17))
    np.testing.assert_array_equal(exact, measured_coverage(network, (3, 13, 17)))
    assert exact[::2, ::2].all() and exact.sum() == 7 * 9
