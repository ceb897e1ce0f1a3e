"""What is found of one declared line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One declared line: what it is about, the network's figure, the limit in words, and the layer to look at.

    The figure is None where it is not known; the line then does not hold. `margin` is what the limit leaves, below 0
    where it is broken, for limits that are numbers.
    """

    name: str
    figure: int | float | None
    limit: str
    holds: bool
    where: str
    margin: int | float | None = None

    @property
    def shown(self) -> str:
        """The figure in words."""
        return in_words(self.figure, "not known")


def in_words(number: int | float | None, otherwise: str = "") -> str:
    """A number as tables show it: every digit of a whole one, four of another."""
    if number is None:
        return otherwise
    return f"{number:,}" if isinstance(number, int) else f"{number:.4g}"
