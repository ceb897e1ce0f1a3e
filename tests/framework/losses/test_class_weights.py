from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from framework.config import OptimizationConfig
from framework.errors import EmberfieldError
from framework.losses.class_weights import class_weights


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert class_weights("balanced", labels, 3) == pytest.approx(expected.tolist())


def test_a_list_is_taken_as_it_is_and_has_to_fit() -> None:
    labels = np.array([0, 1])
    assert class_weights((1, 0.5), labels, 2) == [1.0, 0.5]
    assert class_weights(None, labels, 2) is None
    with pytest.raises(EmberfieldError, match="class_weights has 3 numbers; the data has 2 classes"):
        class_weights((1.0, 1.0, 1.0), labels, 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("balance", "unknown class_weights 'balance', did you mean 'balanced'"),
        ((1.0, -0.5), "takes a number for each class, none below 0, or balanced"),
        ((0.0, 0.0), "takes a number for each class"),
        ((float("inf"), 1.0), "takes a number for each class"),
        ((), "takes a number for each class"),
        (("1", "2"), "it takes a list of numbers"),
    ],
)
def test_other_values_are_refused(wrong: Any, message: str) -> None:
    with pytest.raises(EmberfieldError, match=message):
        OptimizationConfig(class_weights=wrong)
