"""CUDA graphs: all launches of a step recorded once, and replayed as one.

Small networks leave a GPU waiting for launches; see the PyTorch documentation, CUDA semantics, 'CUDA Graphs'.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T", bound=tuple[Tensor, ...])

EAGER = 3
"""Calls that run as they are before the capture: libraries set themselves up, and the optimizer makes its state."""


def cuda_graphed(function: Callable[..., T], device: torch.device, *, eager: int = EAGER) -> Callable[..., T]:
    """The function as a CUDA graph from its call number `eager` + 1 on: the same operations on the same memory.

    The function takes tensors of unchanging shapes, gives a NamedTuple of such, and never waits for the device. What it
    draws follows the generator's seed at each call, as without a graph. Raises RuntimeError, from the capture, for a
    function that cannot be captured.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    graph = torch.cuda.CUDAGraph()
    calls = 0
    inputs: tuple[Tensor, ...] = ()
    outputs: T

    def aside(*given: Tensor) -> T:
        """The call in the stream that is captured later, so that autograd's accumulators belong to it."""
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            result = function(*given)
        torch.cuda.current_stream(device).wait_stream(stream)
        return result

    def call(*given: Tensor) -> T:
        nonlocal calls, inputs, outputs
        calls += 1
        if calls <= eager:
            return aside(*given)
        if calls == eager + 1:
            inputs = tuple(tensor.clone() for tensor in given)
            with torch.cuda.graph(graph, stream=stream):
                outputs = function(*inputs)
        for kept, new in zip(inputs, given, strict=True):
            kept.copy_(new)
        graph.replay()
        return type(outputs)(*(tensor.clone() for tensor in outputs))

    return call
