"""What is rendered, image by image and on a device, from the same draws."""

import numpy as np
import pytest
import torch

from framework.data.augment.cutmix import CutMix
from framework.data.rendering import DeviceRenderer, ImageRenderer, choose_augment_on
from framework.errors import EmberfieldError
from tests.framework.data.training_images import keyed_images, noise_images, written

CPU = torch.device("cpu")


def test_augmentation_is_keyed_on_seed_epoch_and_sample() -> None:
    samples = torch.tensor([9, 0, 49])
    images, labels = ImageRenderer(keyed_images())(samples, 2)
    assert images.shape == (3, 2, 2, 3) and images.dtype == torch.uint8
    assert images[:, 0, 0, 0].tolist() == [written(3, 2, sample) for sample in (9, 0, 49)]
    assert labels.tolist() == [4, 0, 4]


def test_cutmix_pastes_images_that_are_trained_on_as_they_are_augmented() -> None:
    indices = np.arange(1, 50, 2)
    source = keyed_images(indices=indices, mixing=[CutMix(1.0)], images=np.zeros((50, 8, 8, 3), np.uint8))
    mixed = 0
    for epoch in range(4):
        trained = {written(3, epoch, sample) for sample in indices.tolist()}
        for image, share, sample in zip(*ImageRenderer(source)(torch.from_numpy(indices), epoch), indices, strict=True):
            values = set(image.unique().tolist())
            assert values <= trained and len(values) <= 2
            kept = (image[..., 0] == written(3, epoch, int(sample))).float().mean()
            assert share[sample % 5] >= kept - 1e-6 and share.sum() == pytest.approx(1)
            mixed += len(values) == 2
    assert mixed > 50


@pytest.mark.parametrize("mixing", [[], [CutMix(0.5)]])
def test_both_ways_have_the_same_samples_labels_and_draws(mixing: list[CutMix]) -> None:
    source = noise_images(mixing=mixing)
    before = source.images.copy()
    one_by_one, in_batches = ImageRenderer(source), DeviceRenderer(source, CPU)
    for epoch in (0, 1, 0):
        for samples in torch.from_numpy(source.indices).split(60):
            images, targets = in_batches(samples, epoch)
            expected, expected_targets = one_by_one(samples, epoch)
            assert images.dtype == torch.uint8 and torch.equal(targets, expected_targets)
            assert (images.int() - expected.int()).abs().max() <= 1
            assert (images != expected).float().mean() <= 1e-3
    assert np.array_equal(source.images, before)


def test_an_alternating_flip_shows_both_forms_in_two_epochs_and_the_same_in_every_other() -> None:
    source = noise_images(transforms=({"name": "AlternatingFlip", "p": 0.5},))
    samples = torch.from_numpy(source.indices)
    for render in (ImageRenderer(source), DeviceRenderer(source, CPU)):
        seen = [render(samples, epoch)[0] for epoch in (0, 1, 2, 7)]
        assert torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])
        assert torch.equal(seen[0].flip(2), seen[1])
        flipped = (seen[0] != torch.from_numpy(source.images[source.indices])).flatten(1).any(1)
        assert 0.3 < flipped.float().mean() < 0.7
    with pytest.raises(EmberfieldError, match="AlternatingFlip cannot stand beside Blur; HorizontalFlip can"):
        noise_images(transforms=({"name": "AlternatingFlip"}, {"name": "Blur"}))


def test_auto_is_the_device_where_every_transform_can_run_there() -> None:
    assert choose_augment_on("auto", noise_images(), CPU) == "device"
    assert choose_augment_on("cpu", noise_images(), CPU) == "cpu"
    other = noise_images(({"name": "ColorJitter"},))
    assert choose_augment_on("auto", other, CPU) == "cpu"
    with pytest.raises(
        EmberfieldError, match="where ColorJitter cannot run as .* Affine .bilin.*; valid: 'cpu', 'auto'"
    ):
        choose_augment_on("device", other, CPU)
