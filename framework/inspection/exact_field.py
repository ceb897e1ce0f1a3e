"""The receptive field, exactly: which pixels a position of a feature map can depend on, along each axis.

For each position the first and the last pixel that it reads follow from those of the positions that it reads in the
feature maps before, so a union of branches, an upsampling or a transposed convolution is no special case. For a chain
of convolutions this gives size += (kernel - 1) * dilation * jump, jump *= stride (Araujo et al. 2019, Computing
Receptive Fields of Convolutional Neural Networks, Distill). Feature maps are taken to go on past their border: a field
may be larger than the image.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from framework.errors import EmberfieldError
from framework.inspection.layout import axes
from framework.inspection.network import Network, last_feature_maps
from framework.inspection.taps import Positions

_NOTHING = 2**40  # a first pixel beyond every image: the position reads none


@dataclass(frozen=True)
class LayerField:
    """The receptive field at a layer's output, each figure as (height, width).

    `size` is the bounding box of the pixels that a position reads, its largest over the positions; `jump` the pixels
    between the fields of neighbouring positions, `offset` the centre of the first position's field, with the centre
    of the first pixel at 0; `map_size` the number of positions. Along an axis that has been pooled globally, or
    flattened into a linear layer, the size is the whole image and the jump 0. As long as a layer has a feature map,
    squeeze-and-excitation and the statistics of normalisation do not count.
    """

    name: str
    size: tuple[int, int]
    jump: tuple[Fraction, Fraction]
    offset: tuple[float, float]
    map_size: tuple[int, int]


@dataclass(frozen=True)
class ReceptiveField:
    """The field of every layer, in the order in which they run, and that of the network, the only one if measured.

    The network's is the field of the last feature map before the final global pooling. `method` is 'exact' for a
    network that does not look at the values, 'one pass' where the record of one forward pass was followed, and
    'gradients' where it was measured; `reason` then says why.
    """

    layers: tuple[LayerField, ...]
    network: LayerField
    method: str
    reason: str | None = None


@dataclass(frozen=True)
class _AxisField:
    """First and last pixel of positions begin, begin + 1, ... along one axis; the feature map has `map_size`."""

    begin: int
    first: Positions
    last: Positions
    rate: Fraction
    map_size: int

    def of(self, positions: Positions) -> tuple[Positions, Positions]:
        return self.first[positions - self.begin], self.last[positions - self.begin]

    @property
    def size(self) -> int:
        first, last = self.of(np.arange(self.map_size))
        return int(np.maximum(last - first + 1, 0).max())

    @property
    def figures(self) -> tuple[int, Fraction, float, int]:
        """Size, jump, offset and map size."""
        first, last = self.of(np.arange(1))
        return self.size, self.rate, float(first[0] + last[0]) / 2, self.map_size


def exact_field(network: Network) -> ReceptiveField:
    """The receptive field of a network whose positions could be followed, which `untracked` tells.

    Raises EmberfieldError where the output does not depend on the image.
    """
    assert network.untracked is None
    fields = [_along(network, axis) for axis in (0, 1)]

    def figures(axis: int, n: int) -> tuple[int, Fraction, float, int]:
        length = network.graph.image.shape[2 + axis]
        return fields[axis][n].figures if n in fields[axis] else (length, Fraction(0), (length - 1) / 2, 1)

    def describe(name: str, row: int, column: int) -> LayerField:
        y, x = figures(0, row), figures(1, column)
        return LayerField(name, (y[0], x[0]), (y[1], x[1]), (y[2], x[2]), (y[3], x[3]))

    layers = tuple(describe(layer.name, layer.value.index, layer.value.index) for layer in network.layers)
    if not last_feature_maps(network, 0):
        raise EmberfieldError("the output of the network does not depend on the image")
    row, column = (max(last_feature_maps(network, axis), key=lambda n: fields[axis][n].size) for axis in (0, 1))
    made = [layer.name for layer in network.layers if layer.value.index <= max(row, column)]
    last = describe(made[-1] if made else "input", row, column)
    return ReceptiveField(layers, last, "exact" if network.graph.traced else "one pass")


def _along(network: Network, axis: int) -> dict[int, _AxisField]:
    """The field along one axis of every value that still has it, by the value's index."""
    sizes = {n: found[axis] for n, layout in network.layouts.items() if axis in (found := axes(layout))}
    spans = {n: (0, size - 1) for n, size in sizes.items()}
    order = sorted(sizes)  # a value is made after those that it is made of
    for n in reversed(order):
        for edge in network.edges[n]:
            if axis in edge.taps:
                taken, exists = edge.taps[axis].read(np.arange(spans[n][0], spans[n][1] + 1))
                if exists.any():
                    low, high = spans[edge.source]
                    spans[edge.source] = (min(low, int(taken[exists].min())), max(high, int(taken[exists].max())))
    fields: dict[int, _AxisField] = {}
    for n in order:
        positions = np.arange(spans[n][0], spans[n][1] + 1)
        first, last = np.full(positions.shape, _NOTHING), np.full(positions.shape, -_NOTHING)
        rate = Fraction(0)
        if n == network.graph.image.index:
            first, last, rate = positions, positions, Fraction(1)
        for edge in network.edges[n]:
            if axis not in edge.taps:
                continue
            taps, before = edge.taps[axis], fields[edge.source]
            taken, exists = taps.read(positions)
            nearest, farthest = before.of(np.where(exists, taken, before.begin))
            first = np.minimum(first, np.where(exists, nearest, _NOTHING).min(axis=1))
            last = np.maximum(last, np.where(exists, farthest, -_NOTHING).max(axis=1))
            rate = max(rate, taps.rate * before.rate)
        fields[n] = _AxisField(spans[n][0], first, last, rate, sizes[n])
    return fields
