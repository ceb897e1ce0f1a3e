"""The purpose strings are data: another string, or another way to hash it, is another training from the same seed.

The values are those of commit edbacf6 with NumPy 2.
"""

import numpy as np
import pytest

from framework.seeding import (
    block_generator,
    epoch_order,
    mix_generator,
    sample_generators,
    split_generator,
    torch_seed,
)


def draws(generator: np.random.Generator) -> list[int]:
    return generator.integers(2**32, size=4).tolist()


def test_the_order_of_an_epoch() -> None:
    assert epoch_order(7, 0, 1000)[:6].tolist() == [815, 840, 579, 116, 523, 858]
    assert epoch_order(7, 3, 1000)[:6].tolist() == [549, 37, 319, 787, 238, 428]


def test_what_a_sample_of_an_epoch_draws() -> None:
    numpy_generator, python_generator = sample_generators(7, 3, 11)
    assert draws(numpy_generator) == [957657217, 2590949634, 4252512398, 3831793817]
    assert [python_generator.getrandbits(32) for _ in range(4)] == [3306039225, 3781177564, 758669212, 1175033834]


def test_what_a_block_of_samples_draws_for_a_transform() -> None:
    assert draws(block_generator(7, 3, 2, 1)) == [847860761, 4246653747, 4123911297, 2114872503]


def test_what_an_epoch_draws_for_mixing_images() -> None:
    assert draws(mix_generator(7, 3)) == [3607626306, 4102301452, 1384590059, 3762553593]


def test_the_split() -> None:
    assert draws(split_generator(7)) == [820167753, 3952308782, 2504147246, 2634825229]
    assert split_generator(7).permutation(1000)[:6].tolist() == [266, 3, 101, 238, 24, 393]


@pytest.mark.parametrize(
    ("purpose", "first", "fiftieth"),
    [
        ("weights", 9074678250625801800, 606086538110592778),
        ("step", 7878495411414927730, 3110100191793023629),
        ("step of process 1", 1008242611684631182, 8356930368885801182),
    ],
)
def test_the_seed_of_torch(purpose: str, first: int, fiftieth: int) -> None:
    assert torch_seed(7, purpose) == first
    assert torch_seed(7, purpose, 49) == fiftieth
