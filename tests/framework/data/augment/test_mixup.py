import numpy as np
import pytest
import torch

from framework.data.augment.cutmix import CutMix
from framework.data.augment.mixup import Mixup
from framework.data.rendering import DeviceRenderer, ImageRenderer
from tests.framework.data.training_images import keyed_images, noise_images, written

CPU = torch.device("cpu")


def test_images_that_are_trained_on_are_blended_as_they_are_augmented() -> None:
    indices = np.arange(1, 50, 2)
    source = keyed_images(indices=indices, mixing=[mixup := Mixup(1.0, 1.0)])
    for epoch in range(3):
        drawn = mixup.draw(3, epoch, samples=50, trained=25, size=(2, 2))
        images, shares = ImageRenderer(source)(torch.from_numpy(indices), epoch)
        for image, share, sample in zip(images, shares, indices.tolist(), strict=True):
            partner, weight = int(indices[drawn["partner"][sample]]), float(drawn["part"][sample])
            values = written(3, epoch, sample), written(3, epoch, partner)
            assert image[0, 0, 0] == pytest.approx((1 - weight) * values[0] + weight * values[1], abs=0.51)
            expected = torch.zeros(5)
            expected[sample % 5] += 1 - weight
            expected[partner % 5] += weight
            torch.testing.assert_close(share, expected)


def test_weights_are_of_the_beta_distribution_where_an_image_is_mixed() -> None:
    weight, later = (
        Mixup(0.5, 0.4).draw(0, epoch, samples=20_000, trained=100, size=(2, 2))["part"] for epoch in (0, 1)
    )
    mixed = weight[weight > 0]
    assert len(mixed) / len(weight) == pytest.approx(0.5, abs=0.02)
    assert mixed.mean() == pytest.approx(0.5, abs=0.02)
    assert mixed.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), abs=0.01)
    assert not np.array_equal(weight, later)


@pytest.mark.parametrize("before", [[], [CutMix(0.5)]])
def test_both_ways_have_the_same_samples_targets_and_draws(before: list[CutMix]) -> None:
    source = noise_images(mixing=[*before, Mixup(0.5, 0.4)])
    one_by_one, in_batches = ImageRenderer(source), DeviceRenderer(source, CPU)
    plain = DeviceRenderer(noise_images(mixing=before), CPU)
    changed = 0
    for samples in torch.from_numpy(source.indices).split(60):
        (images, targets), (expected, expected_targets) = in_batches(samples, 1), one_by_one(samples, 1)
        assert torch.equal(targets, expected_targets)
        assert (images.int() - expected.int()).abs().max() <= 1
        torch.testing.assert_close(targets.sum(1), torch.ones(len(targets)))
        changed += int((images != plain(samples, 1)[0]).flatten(1).any(1).sum())
    assert 0.3 < changed / len(source.indices) < 0.6
