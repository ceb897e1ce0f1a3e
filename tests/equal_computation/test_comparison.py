import pytest

from tests.equal_computation.comparison import first_difference, table

STEPS = [{"images": "a", "loss": "0x1p+0"}, {"images": "b", "loss": "0x1p-1"}]
FOUND = {"step": STEPS, "ema": None}


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (FOUND, None),
        (FOUND | {"ema": ["c" * 64]}, "ema: None against " + str(["c" * 64])),
        (FOUND | {"step": STEPS[:1]}, "step: 2 against 1"),
        (
            FOUND | {"step": [STEPS[0], {"images": "b", "loss": "0x1p-2"}]},
            "step 1, loss: 0x1p-1 against 0x1p-2",
        ),
        ({"step": STEPS}, "findings: step, ema against step"),
    ],
)
def test_the_first_difference_is_named(other: object, difference: str | None) -> None:
    assert first_difference(FOUND, other) == difference


def test_a_difference_stands_in_its_row_of_the_table() -> None:
    lines = table({"one": {"float32": None}, "two": {"float32": "step 1"}}, "case").splitlines()
    assert [line.split(maxsplit=1) for line in lines[2:]] == [["one", "equal"], ["two", "step 1"]]
