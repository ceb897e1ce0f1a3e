import pytest
import torch

from framework.checkpoint.comparison import first_difference, leaves

STATE = {"a": torch.tensor([1.0, float("nan")]), "b": [1, {"c": "x", "seconds": 3}], "d": None}


def test_equal_states_have_no_difference_whatever_the_clock_says() -> None:
    other = {"a": STATE["a"].clone(), "b": [1, {"c": "x", "seconds": 4}], "d": None}
    assert first_difference(STATE, other) is None
    assert leaves(STATE).keys() == {"/a", "/b/0", "/b/1/c", "/d"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"a": torch.tensor([1.0 + 2**-23, float("nan")])}, "/a differs"),
        ({"a": torch.tensor([1.0, float("nan")]).double()}, "/a differs"),
        ({"a": torch.tensor([[1.0, float("nan")]])}, "/a differs"),
        ({"b": [1.0, {"c": "x"}]}, "/b/0 differs: 1 and 1.0"),
        ({"b": [1, {"c": "y"}]}, "/b/1/c differs: 'x' and 'y'"),
        ({"d": {"e": 1}}, "/d is in one of the two only"),
    ],
)
def test_the_first_difference_is_named(changes: dict[str, object], says: str) -> None:
    assert first_difference(STATE, STATE | changes) == says


def test_minus_zero_is_not_zero() -> None:
    assert first_difference({"x": torch.zeros(1)}, {"x": -torch.zeros(1)}) == "/x differs"
