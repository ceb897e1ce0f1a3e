import numpy as np
import pytest

from framework.data.sampler import TrainingSampler
from framework.errors import DataError

INDICES = np.arange(1, 100, 2)


def sampler(**changes: int) -> TrainingSampler:
    return TrainingSampler(**({"indices": INDICES, "batch_size": 8, "seed": 3} | changes))  # type: ignore[arg-type]


def test_an_epoch_visits_samples_once_and_another_in_another_order() -> None:
    batches = sampler()
    assert batches.epoch_length == 6
    epochs = [np.concatenate([batches.samples(6 * epoch + step) for step in range(6)]) for epoch in range(2)]
    assert all(len(set(epoch.tolist())) == 48 for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()


def test_only_the_training_indices_are_visited_and_all_of_them_in_time() -> None:
    visited = np.concatenate([sampler().samples(step) for step in range(30)])
    assert set(visited.tolist()) == set(INDICES.tolist())


def test_limit_shortens_an_epoch() -> None:
    assert sampler(limit=2).epoch_length == 2
    assert sampler(limit=99).epoch_length == 6


@pytest.mark.parametrize("step", [0, 17])
def test_processes_share_a_batch_without_overlap(step: int) -> None:
    parts = [sampler(rank=rank, world_size=4).own_samples(step) for rank in range(4)]
    assert [len(part) for part in parts] == [2] * 4
    assert sorted(np.concatenate(parts).tolist()) == sorted(sampler().samples(step).tolist())


def test_fewer_images_than_a_batch_are_refused() -> None:
    with pytest.raises(DataError, match="a batch of 64 needs more than the 50 training images"):
        sampler(batch_size=64)
