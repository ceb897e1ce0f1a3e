"""Which positions of a map a position of the next map reads, along one axis.

Positions are integers and maps go on past their border, so that a kernel which reaches into the padding is counted at
its full extent. `read(positions)` gives for n positions an (n, taps) array of the positions read and a mask of the
same shape of those that exist; `rate` is the step on the map read for one step on the map made.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Border = Literal["zeros", "replicate", "reflect"]


class Taps(Protocol):
    """What one operation reads along one axis."""

    @property
    def rate(self) -> Fraction:
        """Positions read per position made."""

    def read(self, positions: Positions) -> tuple[Positions, Mask]:
        """The positions read, (n, taps), and whether each of them exists."""


@dataclass(frozen=True)
class Window:
    """Convolution and pooling: i reads i * stride - padding + t * dilation for t in range(kernel).

    Slices, padding and the identity are windows of kernel 1, and a broadcast is one of stride 0. `border` says what
    stands for the positions beyond the border.
    """

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    border: Border = "zeros"

    @property
    def rate(self) -> Fraction:
        """The stride."""
        return Fraction(self.stride)

    def read(self, positions: Positions) -> tuple[Positions, Mask]:
        """As in Taps."""
        first = positions[:, None] * self.stride - self.padding
        taken = first + np.arange(self.kernel) * self.dilation
        return taken, np.ones(taken.shape, bool)


@dataclass(frozen=True)
class Transposed:
    """Transposed convolution: i reads every j with j * stride - padding + t * dilation = i (Dumoulin & Visin 2016)."""

    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def rate(self) -> Fraction:
        """One over the stride."""
        return Fraction(1, self.stride)

    def read(self, positions: Positions) -> tuple[Positions, Mask]:
        """As in Taps."""
        scaled = positions[:, None] + self.padding - np.arange(self.kernel) * self.dilation
        return scaled // self.stride, scaled % self.stride == 0


@dataclass(frozen=True)
class Adaptive:
    """Adaptive pooling of `size` positions to `target`.

    Position i reads floor(i size / target) to ceil((i + 1) size / target) - 1.
        Nearest-neighbour resizing reads the first of them alone (`nearest`).
    """

    size: int
    target: int
    nearest: bool = False

    @property
    def rate(self) -> Fraction:
        """Old size over new size."""
        return Fraction(self.size, self.target)

    def read(self, positions: Positions) -> tuple[Positions, Mask]:
        """As in Taps."""
        first = positions * self.size // self.target
        last = first + 1 if self.nearest else -(-(positions + 1) * self.size // self.target)
        taken = first[:, None] + np.arange((last - first).max(initial=1))
        return taken, taken < last[:, None]


@dataclass(frozen=True)
class Interpolated:
    """Linear and cubic resizing: i reads the pixels around i * scale + shift at less than `reach` (1 or 2)."""

    scale: Fraction
    shift: Fraction
    reach: int

    @property
    def rate(self) -> Fraction:
        """Old size over new size."""
        return self.scale

    def read(self, positions: Positions) -> tuple[Positions, Mask]:
        """As in Taps. A pixel that lies exactly on the point is read alone: its neighbours have no weight."""
        points = [int(i) * self.scale + self.shift for i in positions]
        first = np.array([floor(point) for point in points], np.int64) - (self.reach - 1)
        taken = first[:, None] + np.arange(2 * self.reach)
        exact = np.array([point.denominator == 1 for point in points], bool)
        on_point = np.arange(2 * self.reach) == self.reach - 1
        return taken, ~exact[:, None] | on_point


def matrix(taps: Taps, made: int, read: int) -> Mask:
    """The taps between two whole maps: (made, read), true where position i reads j or what stands for it."""
    taken, exists = taps.read(np.arange(made))
    border = taps.border if isinstance(taps, Window) else "zeros"
    if border == "replicate":
        taken = np.clip(taken, 0, read - 1)
    if border == "reflect":
        taken = read - 1 - np.abs(read - 1 - np.abs(taken))
    rows = np.broadcast_to(np.arange(made)[:, None], taken.shape)
    inside = exists & (taken >= 0) & (taken < read)
    result = np.zeros((made, read), bool)
    result[rows[inside], taken[inside]] = True
    return result
