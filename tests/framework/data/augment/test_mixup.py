import numpy as np
import pytest
import torch

from framework.data.augment.cutmix import CutMix
from framework.data.augment.mixup import Mixup, draw_mixup
from framework.data.rendering import DeviceRenderer, ImageRenderer
from tests.framework.data.training_images import keyed_images, noise_images, written

CPU = torch.device("cpu")


def test_images_that_are_trained_on_are_blended_as_they_are_augmented() -> None:
    indices = np.arange(1, 50, 2)
    source = keyed_images(indices=indices, mixup=Mixup(1.0, 1.0, classes=5))
    for epoch in range(3):
        drawn = draw_mixup(1.0, 1.0, 3, epoch, samples=50, trained=25)
        images, shares = ImageRenderer(source)(torch.from_numpy(indices), epoch)
        for image, share, sample in zip(images, shares, indices.tolist(), strict=True):
            partner, weight = int(indices[drawn["partner"][sample]]), float(drawn["weight"][sample])
            values = written(3, epoch, sample), written(3, epoch, partner)
            assert image[0, 0, 0] == pytest.approx((1 - weight) * values[0] + weight * values[1], abs=0.51)
            expected = torch.zeros(5)
            expected[sample % 5] += 1 - weight
            expected[partner % 5] += weight
            torch.testing.assert_close(share, expected)


def test_weights_are_of_the_beta_distribution_where_an_image_is_mixed() -> None:
    weight = draw_mixup(0.5, 0.4, 0, 0, samples=20_000, trained=100)["weight"]
    mixed = weight[weight > 0]
    assert len(mixed) / len(weight) == pytest.approx(0.5, abs=0.02)
    assert mixed.mean() == pytest.approx(0.5, abs=0.02)
    assert mixed.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), abs=0.01)
    assert not np.array_equal(weight, draw_mixup(0.5, 0.4, 0, 1, samples=20_000, trained=100)["weight"])


@pytest.mark.parametrize("cutmix", [None, CutMix(0.5, classes=10)])
def test_both_ways_have_the_same_samples_targets_and_draws(cutmix: CutMix | None) -> None:
    source = noise_images(cutmix=cutmix, mixup=Mixup(0.5, 0.4, classes=10))
    one_by_one, in_batches = ImageRenderer(source), DeviceRenderer(source, CPU)
    plain = DeviceRenderer(noise_images(cutmix=cutmix), CPU)
    changed = 0
    for samples in torch.from_numpy(source.indices).split(60):
        (images, targets), (expected, expected_targets) = in_batches(samples, 1), one_by_one(samples, 1)
        assert torch.equal(targets, expected_targets)
        assert (images.int() - expected.int()).abs().max() <= 1
        torch.testing.assert_close(targets.sum(1), torch.ones(len(targets)))
        changed += int((images != plain(samples, 1)[0]).flatten(1).any(1).sum())
    assert 0.3 < changed / len(source.indices) < 0.6
