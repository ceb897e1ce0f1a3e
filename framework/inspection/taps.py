"""Which positions of a feature map a position of the next one reads, along one axis.

Positions are integers and feature maps go on past their border, so that a kernel which reaches into the padding is
counted at its full extent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Literal

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Border = Literal["zeros", "replicate", "reflect"]


@dataclass(frozen=True)
class Taps:
    """What one operation reads along one axis.

    `rate` is the number of positions read per position made. `read` gives for n positions an (n, taps) array of the
    positions read and a mask of the same shape of those that exist. `border` is what stands for positions beyond the
    border.
    """

    rate: Fraction
    read: Callable[[Positions], tuple[Positions, Mask]]
    border: Border = "zeros"

    def matrix(self, made: int, length: int) -> Mask:
        """The taps between two whole feature maps: (made, length), true where position i reads j or its stand-in."""
        taken, exists = self.read(np.arange(made))
        if self.border == "replicate":
            taken = np.clip(taken, 0, length - 1)
        if self.border == "reflect":
            taken = length - 1 - np.abs(length - 1 - np.abs(taken))
        rows = np.broadcast_to(np.arange(made)[:, None], taken.shape)
        inside = exists & (taken >= 0) & (taken < length)
        result = np.zeros((made, length), bool)
        result[rows[inside], taken[inside]] = True
        return result


def window(kernel: int = 1, stride: int = 1, padding: int = 0, dilation: int = 1, border: Border = "zeros") -> Taps:
    """Convolution and pooling: i reads i * stride - padding + t * dilation for t in range(kernel).

    Slices, padding and the identity are windows of kernel 1, and a broadcast is one of stride 0.
    """

    def read(positions: Positions) -> tuple[Positions, Mask]:
        taken = positions[:, None] * stride - padding + np.arange(kernel) * dilation
        return taken, np.ones(taken.shape, bool)

    return Taps(Fraction(stride), read, border)


def transposed(kernel: int, stride: int, padding: int, dilation: int) -> Taps:
    """Transposed convolution: i reads every j with j * stride - padding + t * dilation = i (Dumoulin & Visin 2016)."""

    def read(positions: Positions) -> tuple[Positions, Mask]:
        scaled = positions[:, None] + padding - np.arange(kernel) * dilation
        return scaled // stride, scaled % stride == 0

    return Taps(Fraction(1, stride), read)


def adaptive(size: int, target: int, nearest: bool = False) -> Taps:
    """Adaptive pooling of `size` positions to `target`: i reads i size // target to ceil((i + 1) size / target) - 1.

    Nearest-neighbour resizing reads the first of them alone (`nearest`).
    """

    def read(positions: Positions) -> tuple[Positions, Mask]:
        first = positions * size // target
        last = first + 1 if nearest else -(-(positions + 1) * size // target)
        taken = first[:, None] + np.arange((last - first).max(initial=1))
        return taken, taken < last[:, None]

    return Taps(Fraction(size, target), read)


def interpolated(scale: Fraction, shift: Fraction, reach: int) -> Taps:
    """Linear and cubic resizing: i reads the pixels around i * scale + shift at less than `reach` (1 or 2).

    A pixel that lies exactly on the point is read alone: its neighbours have no weight.
    """

    def read(positions: Positions) -> tuple[Positions, Mask]:
        points = [int(i) * scale + shift for i in positions]
        first = np.array([floor(point) for point in points], np.int64) - (reach - 1)
        taken = first[:, None] + np.arange(2 * reach)
        exact = np.array([point.denominator == 1 for point in points], bool)
        return taken, ~exact[:, None] | (np.arange(2 * reach) == reach - 1)

    return Taps(scale, read)
