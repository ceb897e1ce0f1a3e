"""Where the rows and columns of the image lie in a tensor, followed through every operation.

A dimension of a tensor is a product of factors: height and width of a feature map stay known through a permutation to
channels-last, a channel shuffle, or a flattening into tokens, until something contracts them.
"""

from dataclasses import dataclass
from itertools import zip_longest
from math import prod

from framework.inspection.taps import Taps


class UntrackableError(Exception):
    """An operation of which it is not known which positions it reads; never leaves this package."""


@dataclass(frozen=True)
class Factor:
    """A part of a dimension: `axis` 0 for the rows of the image, 1 for its columns, None for anything else."""

    size: int
    axis: int | None = None


Dimension = tuple[Factor, ...]
Layout = tuple[Dimension, ...]


@dataclass(frozen=True)
class Edge:
    """What an operation reads of one value: taps along each axis that survives. `source` is the value's index."""

    source: int
    taps: dict[int, Taps]


def plain(size: int) -> Dimension:
    """A dimension of which nothing is known."""
    return () if size == 1 else (Factor(size),)


def axes(layout: Layout) -> dict[int, int]:
    """The axes of the image that a tensor still has, with its size along each."""
    return {factor.axis: factor.size for dimension in layout for factor in dimension if factor.axis is not None}


def size(dimension: Dimension) -> int:
    """How long a dimension is."""
    return prod(factor.size for factor in dimension)


def axis_of(dimension: Dimension) -> int | None:
    """The axis that a dimension is, None if it holds none. Raises UntrackableError if it holds more than one axis."""
    found = [factor.axis for factor in dimension if factor.axis is not None]
    if found and len(dimension) > 1:
        raise UntrackableError("a dimension in which an axis of the image is merged with others")
    return found[0] if found else None


def tagged(dimension: Dimension) -> bool:
    """Whether a dimension holds an axis of the image."""
    return any(factor.axis is not None for factor in dimension)


def broadcast(layouts: list[Layout]) -> Layout:
    """The layout of an elementwise result. Raises UntrackableError where rows meet columns."""
    merged: list[Dimension] = []
    for choices in zip_longest(*(reversed(layout) for layout in layouts), fillvalue=()):
        longest = max(map(size, choices))
        known = {choice for choice in choices if size(choice) == longest and tagged(choice)}
        if len(known) > 1:
            raise UntrackableError("an elementwise operation on feature maps that are laid out differently")
        merged.append(known.pop() if known else plain(longest))
    return _once(tuple(reversed(merged)))


def regroup(layout: Layout, shape: tuple[int, ...]) -> Layout:
    """The layout after a reshape to `shape`. Raises UntrackableError where it cuts an axis of the image."""
    if tuple(map(size, layout)) == shape:
        return layout
    pending = [factor for dimension in layout for factor in dimension]
    made: list[Dimension] = []
    for length in shape:
        taken: list[Factor] = []
        while pending and (size(tuple(taken)) < length or (pending[0].size == 1 and len(taken) == 0)):
            factor, missing = pending.pop(0), length // size(tuple(taken))
            if factor.size <= missing:
                taken.append(factor)
                continue
            if factor.axis is not None or factor.size % missing:
                raise UntrackableError("a reshape that cuts an axis of the image")
            taken.append(Factor(missing))
            pending.insert(0, Factor(factor.size // missing))
        if size(tuple(taken)) != length:
            raise UntrackableError("a reshape that cuts an axis of the image")
        made.append(tuple(taken))
    if made:
        made[-1] += tuple(pending)
    return tuple(made)


def contract(left: Layout, right: Layout) -> Layout:
    """The layout of a matrix product over the last dimension of `left` and the last but one of `right`."""
    batch = broadcast([left[:-2], right[:-2]])
    return _once((*batch, left[-2], right[-1]))


def _once(layout: Layout) -> Layout:
    """An axis that occurs twice pairs positions with each other: neither dimension is one of positions any more."""
    found = [factor.axis for dimension in layout for factor in dimension if factor.axis is not None]
    twice = {axis for axis in found if found.count(axis) > 1}
    return tuple(tuple(Factor(f.size) if f.axis in twice else f for f in dimension) for dimension in layout)
