"""What a device runs: operators in order, with the tensors that flow between them and their constants."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from framework.inspection.graph import Operation, Value


@dataclass(frozen=True)
class Step:
    """One operator, by LiteRT's name: the tensors that it reads and makes, by number, and the layer that it is of.

    `scratch` are the bytes of buffers that only it uses. `weights` are the numbers of its constant, each of `width`
    bytes, and `channels` those of its outputs with a scale and a bias each. It is `shared` where an earlier step has
    the same constant.
    """

    operator: str
    reads: tuple[int, ...]
    makes: int
    layer: str
    scratch: tuple[int, ...] = ()
    weights: int = 0
    width: int = 1
    channels: int = 0
    shared: bool = False


@dataclass(frozen=True)
class Program:
    """The steps of one image, the bytes of each tensor by number, and the numbers of the outputs; 0 is the image.

    `unknown` is the first operation that has no rule: what comes after it is missing.
    """

    steps: tuple[Step, ...]
    sizes: tuple[int, ...]
    outputs: frozenset[int]
    unknown: Operation | None


@dataclass
class Builder:
    """A program in the making: `at` is the tensor in which a value of the graph lies, `layer` whose steps are added.

    `readers` are the numbers of operations that read a value, the network's user included. `dividable` are
    those that a convolution makes whose kernel may be divided.
    """

    readers: Counter[int]
    dividable: frozenset[int]
    layer: str = ""
    at: dict[int, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    stored: set[int] = field(default_factory=set)

    def tensor(self, shape: Sequence[int]) -> int:
        """A new tensor of int8 numbers."""
        self.sizes.append(prod(shape))
        return len(self.sizes) - 1

    def add(self, operator: str, reads: Sequence[int], shape: Sequence[int], **facts: int | tuple[int, ...]) -> int:
        """A step; the tensor that it makes."""
        made = self.tensor(shape)
        self.steps.append(Step(operator, tuple(reads), made, self.layer, **facts))  # type: ignore[arg-type]
        return made

    def product(self, operator: str, image: int, weight: Value, shape: Sequence[int], channels: int) -> int:
        """A convolution or matrix product."""
        shared = self.shares(weight)
        return self.add(operator, [image], shape, weights=prod(weight.shape), channels=channels, shared=shared)

    def shares(self, weight: Value) -> bool:
        """Whether a step before uses this constant; from now on one does."""
        shared = weight.index in self.stored
        self.stored.add(weight.index)
        return shared

    def maker(self, value: Value) -> str:
        """The operator that makes a value which is read only once; none for the others."""
        if self.readers[value.index] != 1:
            return ""
        return next((step.operator for step in self.steps[::-1] if step.makes == self.at[value.index]), "")
