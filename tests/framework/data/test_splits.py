import numpy as np
import pytest

from framework.data.splits import train_val_split
from framework.errors import EmberfieldError


@pytest.mark.parametrize("val_size", [0, 1, 7, 100])
def test_split_is_exact_disjoint_and_stratified(val_size: int) -> None:
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


def test_runs_from_before_are_split_as_they_were() -> None:
    """A resume and `export --int8` draw the split again: by another rule they would judge by images trained on."""
    labels = np.arange(40) * 7 % 10
    assert train_val_split(labels, 8, seed=3)[1].tolist() == [1, 12, 16, 18, 20, 23, 25, 39]
    assert train_val_split(labels, 8, seed=4)[1].tolist() == [1, 8, 12, 15, 26, 29, 30, 33]


def test_holding_out_everything_is_refused() -> None:
    with pytest.raises(EmberfieldError, match="val_size 5 leaves nothing to train on; valid: 0 to 4"):
        train_val_split(np.zeros(5, np.int64), 5, 0)
