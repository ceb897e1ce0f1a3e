"""The batches of training steps, by workers and on a device, and those of an evaluation."""

import multiprocessing
from collections.abc import Iterable

import numpy as np
import pytest
import torch

from framework.data.augment.cutmix import CutMix
from framework.data.loader import DeviceLoader, WorkerLoader, evaluation_batches
from framework.data.rendering import Batch
from tests.framework.data.training_images import keyed_images, noise_images, sampler_of

CPU = torch.device("cpu")
CUTMIX = CutMix(0.5)


def assert_equal(found: Iterable[Batch], expected: Iterable[Batch]) -> None:
    for ours, others in zip(found, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, others, strict=True))


def test_a_batch_is_a_function_of_its_step() -> None:
    images = keyed_images()
    loader = WorkerLoader(images, sampler_of(images), 0, 20, 0)
    late = loader.batch(17)
    for step in (5, 17):
        assert_equal([loader.batch(step)], [WorkerLoader(keyed_images(), sampler_of(images), 0, 20, 0).batch(step)])
    assert_equal([loader.batch(17)], [late])


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int) -> None:
    images = keyed_images(mixing=[CUTMIX])
    alone = WorkerLoader(images, sampler_of(images), 4, 15, 0)
    helped = WorkerLoader(images, sampler_of(images), 4, 15, workers)
    assert len(alone) == len(helped) == 11
    assert_equal(helped, alone)


def test_a_spawned_process_draws_the_same() -> None:
    images = noise_images()
    loader = WorkerLoader(images, sampler_of(images, 10), 0, 20, 0)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert_equal(pool.map(loader.batch, [19]), [loader.batch(19)])


def test_a_device_loader_can_start_at_any_step() -> None:
    images = noise_images(mixing=[CUTMIX])
    sampler = sampler_of(images, 20)
    whole = list(DeviceLoader(images, sampler, CPU, 0, 25))
    for start in (1, sampler.epoch_length - 1, sampler.epoch_length, 19):
        loader = DeviceLoader(images, sampler, CPU, start, 25)
        assert len(loader) == 25 - start
        assert_equal(loader, whole[start:])


@pytest.mark.parametrize("at_once", [2, 5, 100])
def test_batches_made_together_are_those_made_one_by_one(at_once: int) -> None:
    images = noise_images(mixing=[CUTMIX])
    sampler = sampler_of(images, 20)
    together = DeviceLoader(images, sampler, CPU, 3, 25, at_once=at_once)
    assert_equal(together, DeviceLoader(images, sampler, CPU, 3, 25, at_once=1))


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_device_loader_has_the_samples_of_the_steps_of_a_process(world_size: int) -> None:
    images = noise_images(({"name": "HorizontalFlip"},))  # equal to the bit both ways
    for rank in range(world_size):
        sampler = sampler_of(images, 20, rank=rank, world_size=world_size, limit=4)
        assert_equal(DeviceLoader(images, sampler, CPU, 2, 11), WorkerLoader(images, sampler, 2, 11, 0))


def test_evaluation_has_every_image_once_in_order() -> None:
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    batches = list(evaluation_batches(images, np.arange(10), np.arange(10), batch_size=4))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(10))
    assert torch.equal(torch.cat([x for x, _ in batches]), torch.from_numpy(images))
    assert len(list(evaluation_batches(images, np.arange(10), np.arange(10), batch_size=4, limit=1))) == 1
