"""What a network runs: the operations of one forward pass, in order, with the values that flow between them.

Operations are those of ATen, torch's own operator set, so a functional call, a raw parameter and a module leave the
same record. The pass runs without data, on torch's meta device: a network that gets through cannot have looked at the
values, so its record holds for every input. One that does look (or calls what the meta device lacks) is run once on
random pixels, and its record says so.
"""

import copy
import functools
import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from framework.errors import EmberfieldError


@dataclass(frozen=True)
class Value:
    """A tensor at one moment: `index` is unique in the graph, `parameters` names those that it was made from.

    `from_input` says whether it depends on the image; `aliased` that it was partly written through a view of it, so
    that its origin is not known element by element.
    """

    index: int
    shape: tuple[int, ...]
    from_input: bool = False
    parameters: frozenset[str] = frozenset()
    aliased: bool = False


@dataclass(frozen=True)
class Operation:
    """One operator call. `target` is ATen's name without overload or trailing underscore ('convolution', 'relu').

    `arguments` are all of the operator's arguments by name, defaults too, with a Value for each tensor. `layer` is
    the innermost module that made the call, `call` numbers the calls of modules, and `leaf` says whether that module
    has no children.
    """

    target: str
    pointwise: bool
    arguments: dict[str, Any]
    outputs: tuple[Value, ...]
    layer: str
    call: int
    leaf: bool

    @functools.cached_property
    def inputs(self) -> tuple[Value, ...]:
        """The values that it reads, in the order of its arguments."""
        return _values(self.arguments)

    @property
    def from_input(self) -> bool:
        """Whether it works on something that depends on the image."""
        return any(value.from_input for value in self.inputs)


@dataclass(frozen=True)
class Graph:
    """The record of one forward pass on one image. `traced` is False where it holds for that pass only."""

    operations: tuple[Operation, ...]
    image: Value
    outputs: tuple[Value, ...]
    traced: bool

    def live(self) -> tuple[Operation, ...]:
        """The operations that work on the image and whose result reaches the output.

        All that work on the image, where a value was written through a view: its makers are not known.
        """
        read = [value for operation in self.operations for value in operation.inputs]
        if any(value.aliased for value in (*read, *self.outputs)):
            return tuple(operation for operation in self.operations if operation.from_input)
        wanted = {value.index for value in self.outputs}
        kept = []
        for operation in reversed(self.operations):
            if wanted.intersection(value.index for value in operation.outputs):
                wanted.update(value.index for value in operation.inputs)
                kept.append(operation)
        return tuple(operation for operation in reversed(kept) if operation.from_input)


def record(model: nn.Module, input_shape: tuple[int, int, int]) -> Graph:
    """The operations that `model` runs in evaluation mode on one image of `input_shape` (C, H, W).

    The model itself is left as it is. Raises EmberfieldError for a shape that is not three positive integers, and
    where the model does not accept such an image, with the model's own error as the cause.
    """
    check_shape(input_shape)
    try:
        return _run(model, input_shape, torch.device("meta"))
    except Exception:  # whatever the model stumbles over without data, it may do with data
        try:
            return _run(model, input_shape, torch.device("cpu"))
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
            least = getattr(model, "min_size", None)
            needs = f"; it is made for at least {least}x{least} pixels" if least else ""
            raise EmberfieldError(
                f"the network does not run on an image of shape {input_shape}: {reason}{needs}"
            ) from error


def check_shape(input_shape: tuple[int, int, int]) -> None:
    """Raises EmberfieldError unless the shape is (C, H, W) of positive integers."""
    if len(input_shape) != 3 or any(not isinstance(size, int) or size < 1 for size in input_shape):
        raise EmberfieldError(f"input shape {input_shape!r}: it has to be (C, H, W), three positive integers")


def copy_to(model: nn.Module, device: torch.device) -> nn.Module:
    """A copy in evaluation mode on `device`, for 'meta' without copying a weight; tied parameters stay tied."""
    memo: dict[int, Any] = {}
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if device.type == "meta":
            moved = torch.empty_like(tensor, device=device)
        else:
            moved = torch.ones_like(tensor, device=device) if tensor.is_meta else tensor.detach().to(device, copy=True)
        memo[id(tensor)] = nn.Parameter(moved, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else moved
    return copy.deepcopy(model, memo).eval()


def tensors_in(structure: Any) -> tuple[Tensor, ...]:
    """Every tensor in a tensor, or in nested tuples, lists and dicts of them."""
    return tuple(leaf for leaf in tree_leaves(structure) if isinstance(leaf, Tensor))


def _run(model: nn.Module, input_shape: tuple[int, int, int], device: torch.device) -> Graph:
    network = copy_to(model, device)
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.get_default_dtype())
    generator = None if device.type == "meta" else torch.Generator().manual_seed(0)
    pixels = torch.randn((1, *input_shape), dtype=dtype, device=device, generator=generator)
    recorder = _Recorder(network, pixels)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), device, recorder:
        output = network(pixels)
    outputs = tuple(recorder.value(tensor) for tensor in tensors_in(output))
    return Graph(tuple(recorder.operations), recorder.image, outputs, traced=device.type == "meta")


def _values(structure: Any) -> tuple[Value, ...]:
    return tuple(leaf for leaf in tree_leaves(structure) if isinstance(leaf, Value))


class Running:
    """Which module of a network is running: `now` is its name, the number of its call, and whether it is a leaf.

    It registers hooks, so it is meant for a copy.
    """

    def __init__(self, network: nn.Module) -> None:
        self._stack: list[tuple[str, int, bool]] = [("", 0, False)]
        calls = itertools.count(1)
        for name, module in network.named_modules():
            leaf = next(module.children(), None) is None

            def enter(_module: nn.Module, _args: Any, name: str = name, leaf: bool = leaf) -> None:
                self._stack.append((name, next(calls), leaf))

            def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
                self._stack.pop()

            module.register_forward_pre_hook(enter)
            module.register_forward_hook(leave)

    @property
    def now(self) -> tuple[str, int, bool]:
        """The innermost module that is running; the network itself is ''."""
        return self._stack[-1]


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, network: nn.Module, image: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []
        self._count = itertools.count()
        self._running = Running(network)
        self._values: dict[int, Value] = {}
        self._alive: list[Tensor] = []  # an id is free for reuse once its tensor is gone
        self._writable: dict[int, set[int]] = {}
        self._aliased: set[int] = set()
        for name, parameter in network.named_parameters():
            self._keep(parameter, parameters=frozenset([name]))
        self.image = self._keep(image, from_input=True)

    def value(self, tensor: Tensor) -> Value:
        """The value that a tensor holds now."""
        known = self._values.get(id(tensor)) or self._keep(tensor)
        if _storage(tensor) in self._aliased and not known.aliased:
            return self._keep(tensor, from_input=True, parameters=known.parameters, aliased=True)
        return known

    def _keep(self, tensor: Tensor, **facts: Any) -> Value:
        value = Value(next(self._count), tuple(tensor.shape), **facts)
        self._values[id(tensor)] = value
        self._alive.append(tensor)
        self._writable.setdefault(_storage(tensor), set()).add(id(tensor))
        return value

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {a.name: v for a, v in zip(func._schema.arguments, args, strict=False)} | (kwargs or {})
        named = {a.name: given.get(a.name, a.default_value) for a in func._schema.arguments}
        arguments = tree_map_only(Tensor, self.value, named)
        read = _values(arguments)
        result = func(*args, **(kwargs or {}))
        target = func._schema.name.split("::")[-1].rstrip("_")
        makes = target.endswith("_like") or target.startswith("new_")  # takes a tensor's shape, not what it holds
        from_input = not makes and any(value.from_input for value in read)
        parameters = frozenset[str]() if from_input else frozenset[str]().union(*(v.parameters for v in read))
        written = [named[a.name] for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        for tensor in tensors_in(written):
            others = [value for value in read if value.from_input and value is not self._values.get(id(tensor))]
            if others and len(self._writable.get(_storage(tensor), ())) > 1:
                self._aliased.add(_storage(tensor))
        made = tensors_in(result)
        outputs = tuple(self._keep(tensor, from_input=from_input, parameters=parameters) for tensor in made)
        name, call, leaf = self._running.now
        self.operations.append(
            Operation(target.rstrip("_"), torch.Tag.pointwise in func.tags, arguments, outputs, name, call, leaf)
        )
        return result


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
