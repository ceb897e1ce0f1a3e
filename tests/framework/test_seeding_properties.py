import numpy as np
import pytest

from framework.seeding import (
    LARGEST_SEED,
    block_generator,
    epoch_order,
    mix_generator,
    sample_generators,
    split_generator,
    torch_seed,
)


def draws(seed: int, epoch: int, sample: int) -> tuple[float, float]:
    numpy_generator, python_generator = sample_generators(seed, epoch, sample)
    return float(numpy_generator.random()), python_generator.random()


def test_the_same_keys_give_the_same_draws() -> None:
    assert draws(1, 2, 3) == draws(1, 2, 3)
    assert np.array_equal(epoch_order(1, 2, 100), epoch_order(1, 2, 100))
    assert torch_seed(1, "step", 2) == torch_seed(1, "step", 2)


def test_no_two_samples_of_any_epoch_draw_the_same() -> None:
    keys = [(seed, epoch, sample) for seed in (0, 1) for epoch in range(5) for sample in range(400)]
    numpy_draws, python_draws = zip(*(draws(*key) for key in keys), strict=True)
    assert len(set(numpy_draws)) == len(set(python_draws)) == len(keys)


def test_neighbouring_keys_draw_uniformly() -> None:
    values = np.array([draws(0, 0, sample) for sample in range(4000)])
    for column in values.T:
        histogram = np.histogram(column, bins=10, range=(0, 1))[0]
        assert ((histogram - 400) ** 2 / 400).sum() < 27.9  # chi-square, 9 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.06


def test_order_is_a_permutation_that_changes_with_epoch_and_seed() -> None:
    first = epoch_order(5, 0, 1000)
    assert sorted(first.tolist()) == list(range(1000))
    assert not np.array_equal(first, epoch_order(5, 1, 1000))
    assert not np.array_equal(first, epoch_order(6, 0, 1000))


def test_a_cached_order_cannot_be_spoilt() -> None:
    with pytest.raises(ValueError, match="read-only"):
        epoch_order(5, 0, 10)[0] = 3


def test_purposes_are_independent() -> None:
    seeds = {torch_seed(seed, purpose, step) for seed in (0, 1) for purpose in ("weights", "step") for step in (0, 1)}
    assert len(seeds) == 8
    generators = split_generator(0), mix_generator(0, 0), block_generator(0, 0, 0, 0)
    orders = {tuple(generator.permutation(50).tolist()) for generator in generators}
    assert len(orders | {tuple(epoch_order(0, 0, 50).tolist())}) == 4


def test_the_largest_keys_are_accepted() -> None:
    assert draws(LARGEST_SEED, 2**32 - 1, 2**32 - 1) != draws(LARGEST_SEED, 2**32 - 1, 2**32 - 2)
