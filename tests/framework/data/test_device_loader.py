import numpy as np
import pytest
import torch
from framework.data.device_loader import DeviceBatches, choose_augment_on
from framework.data.loading import TrainingBatches

from framework.data.augment import build_augmentation
from framework.data.augment.cutmix import CutMix
from framework.errors import EmberfieldError
from recipes.s7_cifar import DEFAULTS

CPU = torch.device("cpu")


def make_batches(transforms: tuple = DEFAULTS.augmentation.transforms, cutmix: CutMix | None = None) -> TrainingBatches:
    generator = np.random.default_rng(0)
    return TrainingBatches(
        images=generator.integers(0, 256, (230, 16, 16, 3), np.uint8),
        labels=generator.integers(0, 10, 230),
        indices=np.flatnonzero(generator.random(230) < 0.8),
        batch_size=20,
        seed=3,
        augment=build_augmentation(transforms, (120.0, 121.0, 122.0)),
        cutmix=cutmix,
    )


@pytest.mark.parametrize("cutmix", [None, CutMix(0.5, classes=10)])
def test_the_same_samples_labels_and_parameters_as_on_the_cpu(cutmix: CutMix | None) -> None:
    batches = make_batches(cutmix=cutmix)
    steps = 3 * batches.epoch_length
    assert len(DeviceBatches(batches, CPU, 0, steps)) == steps
    for step, (images, labels) in enumerate(DeviceBatches(batches, CPU, 0, steps)):
        expected, truth = batches[step]
        assert images.dtype == torch.uint8 and torch.equal(labels, truth)
        assert (images.int() - expected.int()).abs().max() <= 1
        assert (images != expected).float().mean() <= 1e-3


def test_a_stream_can_begin_at_any_step() -> None:
    batches = make_batches(cutmix=CutMix(0.5, classes=10))
    whole = list(DeviceBatches(batches, CPU, 0, 25))
    for start in (1, batches.epoch_length - 1, batches.epoch_length, 19):
        part = list(DeviceBatches(batches, CPU, start, 25))
        assert len(part) == 25 - start
        assert all(
            torch.equal(a, b) for x, y in zip(part, whole[start:], strict=True) for a, b in zip(x, y, strict=True)
        )


@pytest.mark.parametrize("at_once", [2, 5, 100])
def test_batches_made_together_are_those_made_one_by_one(at_once: int) -> None:
    batches = make_batches(cutmix=CutMix(0.5, classes=10))
    single = list(DeviceBatches(batches, CPU, 3, 25))
    together = list(DeviceBatches(batches, CPU, 3, 25, at_once=at_once))
    assert len(together) == len(single)
    for x, y in zip(together, single, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(x, y, strict=True))


def test_the_images_themselves_are_left_alone() -> None:
    batches = make_batches()
    before = batches.images.copy()
    list(DeviceBatches(batches, CPU, 0, 10))
    assert np.array_equal(batches.images, before)


def test_auto_is_the_device_where_every_transform_can_run_there() -> None:
    assert choose_augment_on("auto", make_batches(), CPU) == "device"
    assert choose_augment_on("cpu", make_batches(), CPU) == "cpu"
    other = make_batches(({"name": "ColorJitter"},))
    assert choose_augment_on("auto", other, CPU) == "cpu"
    with pytest.raises(EmberfieldError, match="augment_on is 'device'.*and no other transform; valid: 'cpu', 'auto'"):
        choose_augment_on("device", other, CPU)
