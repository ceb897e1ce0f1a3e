import numpy as np
import pytest
import torch
from framework.data.loading import (
    Statistics,
    TrainingBatches,
    channel_statistics,
    evaluation_batches,
    normalize,
    train_val_split,
)

from framework.data.augment.cutmix import CutMix
from framework.errors import DataError, EmberfieldError


def unchanged(image: np.ndarray, *, seed: int, epoch: int, sample: int) -> np.ndarray:
    return image


def keyed(image: np.ndarray, *, seed: int, epoch: int, sample: int) -> np.ndarray:
    """Writes the keys into the image, so that a batch shows what it was made from."""
    return np.full_like(image, (7 * seed + 31 * epoch + sample) % 251)


def make_batches(samples: int = 50, batch_size: int = 8, **changes: object) -> TrainingBatches:
    settings: dict = {
        "images": np.arange(samples * 12, dtype=np.uint8).reshape(samples, 2, 2, 3),
        "labels": np.arange(samples) % 5,
        "indices": np.arange(samples),
        "batch_size": batch_size,
        "seed": 3,
        "augment": keyed,
    }
    return TrainingBatches(**(settings | changes))


def test_statistics_equal_plain_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 5, 4, 3), dtype=np.uint8)
    found = channel_statistics(images, chunk=7)
    np.testing.assert_allclose(found.mean, images.mean((0, 1, 2)) / 255, rtol=1e-12)
    np.testing.assert_allclose(found.std, images.std((0, 1, 2)) / 255, rtol=1e-9)


def test_constant_channel_normalizes_to_zero() -> None:
    images = np.full((4, 3, 3, 1), 9, np.uint8)
    assert not normalize(torch.from_numpy(images), channel_statistics(images)).any()


def test_normalize_is_channels_last_of_zero_mean_and_unit_deviation() -> None:
    images = np.random.default_rng(1).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    result = normalize(torch.from_numpy(images), channel_statistics(images))
    assert result.shape == (40, 3, 6, 6)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_normalize_equals_the_formula() -> None:
    images = np.random.default_rng(2).integers(0, 256, (2, 3, 3, 3), dtype=np.uint8)
    statistics = Statistics((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    expected = (images / 255 - np.array(statistics.mean)) / np.array(statistics.std)
    result = normalize(torch.from_numpy(images), statistics).permute(0, 2, 3, 1)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("val_size", [0, 1, 7, 100])
def test_split_is_exact_disjoint_and_balanced(val_size: int) -> None:
    labels = np.random.default_rng(0).integers(0, 4, 200)
    trained, held = train_val_split(labels, val_size, seed=1)
    assert len(held) == val_size
    assert sorted([*trained, *held]) == list(range(200))
    share = np.bincount(labels[held], minlength=4) - np.bincount(labels) * val_size / 200
    assert np.abs(share).max() < 1


def test_split_depends_on_the_seed_alone() -> None:
    labels = np.arange(300) % 10
    first, second, other = (train_val_split(labels, 30, seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_holding_out_everything_is_refused() -> None:
    with pytest.raises(EmberfieldError, match="val_size 5 leaves nothing to train on; valid: 0 to 4"):
        train_val_split(np.zeros(5, np.int64), 5, 0)


def test_an_epoch_visits_samples_once_and_another_in_another_order() -> None:
    batches = make_batches()
    assert batches.epoch_length == 6
    epochs = [np.concatenate([batches.samples(6 * epoch + step) for step in range(6)]) for epoch in range(2)]
    assert all(len(set(epoch.tolist())) == 48 for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()


def test_a_batch_is_a_function_of_its_step() -> None:
    batches = make_batches()
    late = batches[17]
    for step in (0, 5, 17):
        again = make_batches()[step]
        assert all(torch.equal(a, b) for a, b in zip(batches[step], again, strict=True))
    assert torch.equal(late[0], batches[17][0])


def test_augmentation_is_keyed_on_seed_epoch_and_sample() -> None:
    batches = make_batches()
    images, labels = batches[13]
    samples = batches.samples(13)
    assert images[:, 0, 0, 0].tolist() == [(7 * 3 + 31 * 2 + s) % 251 for s in samples.tolist()]
    assert labels.tolist() == (samples % 5).tolist()


def test_what_is_pasted_is_of_images_that_are_trained_on_as_they_are_augmented() -> None:
    indices = np.arange(1, 50, 2)
    batches = make_batches(indices=indices, cutmix=CutMix(1.0, classes=5), images=np.zeros((50, 8, 8, 3), np.uint8))
    shown = {(7 * 3 + 31 * epoch + sample) % 251 for epoch in range(4) for sample in indices.tolist()}
    mixed = 0
    for step in range(4 * batches.epoch_length):
        images, shares = batches[step]
        own = [(7 * 3 + 31 * (step // batches.epoch_length) + s) % 251 for s in batches.samples(step).tolist()]
        for image, share, first, sample in zip(images, shares, own, batches.samples(step).tolist(), strict=True):
            values = set(image.unique().tolist())
            assert values <= shown and len(values) <= 2
            kept = (image[..., 0] == first).float().mean()
            assert share[sample % 5] >= kept - 1e-6 and share.sum() == pytest.approx(1)
            mixed += len(values) == 2
    assert mixed > 50


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int) -> None:
    batches = make_batches(cutmix=CutMix(0.5, classes=5))
    alone = list(batches.stream(4, 15, 0))
    helped = list(batches.stream(4, 15, workers))
    assert len(alone) == len(helped) == 11
    for a, b in zip(alone, helped, strict=True):
        assert torch.equal(a[0], b[0])
        assert torch.equal(a[1], b[1])


def test_limit_shortens_an_epoch() -> None:
    assert make_batches(limit=2).epoch_length == 2
    assert make_batches(limit=99).epoch_length == 6


def test_fewer_images_than_a_batch_are_refused() -> None:
    with pytest.raises(DataError, match="a batch of 64 needs more than the 50 training images"):
        make_batches(batch_size=64)


def test_only_the_training_indices_are_visited() -> None:
    indices = np.arange(1, 50, 2)
    batches = make_batches(indices=indices)
    visited = np.concatenate([batches.samples(step) for step in range(30)])
    assert set(visited.tolist()) == set(indices.tolist())


def test_evaluation_sees_every_image_once_in_order() -> None:
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    batches = list(evaluation_batches(images, np.arange(10), np.arange(10), batch_size=4))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(10))
    assert torch.equal(torch.cat([x for x, _ in batches]), torch.from_numpy(images))
