import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from architectures import create
from architectures.mirror import MirrorConv2d
from framework.checkpoint import load_checkpoint
from framework.config import Config
from framework.errors import EmberfieldError
from framework.preparation import prepare
from framework.randomness import torch_seed
from framework.whitening import patch_covariance, whiten_first_convolution, whitening_filters
from tests.recipes.running import QUICK, run


def smooth_images() -> Tensor:
    """Noise whose neighbouring pixels and channels are alike, as a photograph's."""
    noise = torch.randn(64, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    mixed = torch.einsum("oc,nchw->nohw", torch.tensor([[1.0, 0.5, 0.3], [0.9, -0.4, 0.2], [1.1, 0.3, 0.5]]), noise)
    return nn.functional.avg_pool2d(mixed, 3, 1, 1)


def second_moments(outputs: Tensor) -> Tensor:
    """The mean of y y^T over all places of outputs (N, C, H, W): (C, C)."""
    rows = outputs.detach().transpose(0, 1).flatten(1).double()
    return rows @ rows.T / rows.shape[1]


@pytest.mark.parametrize("dilation", [1, 2])
def test_covariance_is_the_sum_over_patches_taken_one_by_one(dilation: int) -> None:
    images = smooth_images()[:3, :, :7, :8]
    reach = 2 * dilation
    patches = [
        images[n, :, y : y + reach + 1 : dilation, x : x + reach + 1 : dilation].flatten()
        for n in range(3)
        for y in range(7 - reach)
        for x in range(8 - reach)
    ]
    plain = sum(torch.outer(p, p).double() for p in patches) / len(patches)
    torch.testing.assert_close(patch_covariance(images, (3, 3), (dilation, dilation)), plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dilation", [1, 2])
def test_outputs_are_uncorrelated_and_of_one_variance(dilation: int) -> None:
    torch.manual_seed(0)
    images, network = smooth_images(), nn.Sequential(nn.Conv2d(3, 16, 3, dilation=dilation, bias=False))
    before = second_moments(network(images))
    whiten_first_convolution(network, images)
    found = second_moments(network(images))
    # The strongest 8 of 27 directions, far above the floor; then the same with the other sign.
    assert (found[:8, :8] - torch.eye(8)).abs().max() < 0.01
    torch.testing.assert_close(found[8:, :8], -found[:8, :8])
    assert before.tril(-1).abs().max() > 0.3 * before.diagonal().max()  # the control: others are correlated


def test_maps_in_mirrored_pairs_are_whitened_too() -> None:
    torch.manual_seed(0)
    images, network = smooth_images(), MirrorConv2d(nn.Conv2d(3, 16, 3, bias=False), lifts=True)
    whiten_first_convolution(network, images)
    found = second_moments(network(images))
    for first in (0, 8):  # four directions and their negatives, and the same of the mirror images
        assert (found[first : first + 4, first : first + 4] - torch.eye(4)).abs().max() < 0.01
    torch.testing.assert_close(found[:4, 4:8], -found[:4, :4])


def test_filters_are_the_same_for_any_signs_and_strongest_first() -> None:
    covariance = patch_covariance(smooth_images(), (3, 3))
    filters = whitening_filters(covariance, 27)
    assert filters.shape == (27, 27)
    assert torch.equal(filters[14:], -filters[:13])
    assert (filters[:14].gather(1, filters[:14].abs().argmax(1, keepdim=True)) > 0).all()
    variances = 1 / filters[:14].square().sum(1)
    assert (variances.diff() <= 0).all()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Linear(3, 3), "not None"),
        (nn.Conv2d(1, 8, 3), r"3 channels, not Conv2d\(1, 8"),
        (nn.Conv2d(3, 3, 3, groups=3), "groups=3"),
        (nn.Conv2d(3, 55, 3), "55 filters for patches of 27 numbers; whiten takes up to 54"),
    ],
)
def test_a_network_that_cannot_whiten_is_refused(network: nn.Module, message: str) -> None:
    with pytest.raises(EmberfieldError, match=message):
        whiten_first_convolution(network, smooth_images())


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_a_run_keeps_the_whitening_filters_and_trains_the_rest(tmp_path: Path, optimizer: str) -> None:
    command = (*QUICK, "--whiten", "--arch", "c1c2c3c40_small", "--optimizer", optimizer, "--out", tmp_path)
    assert run(*command, "--arch-options", '{"widths": [6, 8, 8, 16]}', "--epochs", "1").exit_code == 0
    assert json.loads((tmp_path / "config.json").read_text())["network"]["whiten"] is True
    (newest,) = sorted((tmp_path / "checkpoints").glob("*.pt"))[-1:]
    trained = load_checkpoint(newest)["model"]
    config = Config().merged_with_file(tmp_path / "config.json")
    images = prepare(config, print)
    torch.manual_seed(torch_seed(config.training.seed, "weights"))
    start = create("c1c2c3c40_small", widths=[6, 8, 8, 16], in_channels=images.data.channels)
    whiten_first_convolution(start, images.sample())
    kept = [name for name, value in start.state_dict().items() if value.ndim == 4 and torch.equal(trained[name], value)]
    assert kept == ["c1.stem.conv.weight"]
