from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from framework.data.statistics import Statistics
from framework.errors import DifferenceError
from framework.export.agreement import agreement, require_agreement

STATISTICS = Statistics((0.5,), (0.25,))
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 2, 2, 1), np.uint8)


class Network(nn.Module):
    """The first two pixels as logits."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :2]


def right(images: Tensor) -> Tensor:
    return Network()((images - 0.5) / 0.25)


def test_the_batches_are_of_two_sizes_and_hold_every_image_once() -> None:
    seen = []

    def watched(images: Tensor) -> Tensor:
        seen.append(images)
        return right(images)

    agreed = agreement(Network(), watched, IMAGES, STATISTICS, batch_size=8)
    assert [len(batch) for batch in seen] == [1, 8, 8, 3]
    assert torch.equal(torch.cat(seen), torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255)
    require_agreement(agreed)
    assert (agreed.images, agreed.equal) == (20, 20)
    assert agreed.difference < 1e-6
    assert agreed.tolerance == pytest.approx(1e-4 * abs((IMAGES[:, 0] / 255 - 0.5) / 0.25).max())


def test_one_image_is_enough() -> None:
    assert agreement(Network(), right, IMAGES[:1], STATISTICS).images == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda images: right(images) + 1e-3, "differs from PyTorch's: its logits by up to 1.0e-03, more than 2.0e-04"),
        (lambda images: right(images).flip(1), "20 of 20 predictions"),
        (lambda images: right(images) * torch.nan, "by up to nan"),
        (lambda images: Network()(images), "by up to"),
    ],
    ids=["shifted", "classes swapped", "not a number", "not normalised"],
)
def test_another_network_is_found_out(wrong: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(DifferenceError, match=message):
        require_agreement(agreement(Network(), wrong, IMAGES, STATISTICS))
