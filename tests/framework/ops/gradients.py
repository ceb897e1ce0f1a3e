"""What the tests of operators draw, differentiate and compare, and which library bugs show on this processor."""

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from framework.ops import PLAIN_OPS, OperatorOverrides
from framework.run.environment import fast_bfloat16

CPU = torch.device("cpu")
README_TORCH = "2.14.1"
"""The torch version that the README names."""

without_amx = pytest.mark.skipif(
    torch.cpu._is_amx_tile_supported(), reason="PyTorch has it where the processor has AMX"
)
bfloat16_instructions = pytest.mark.skipif(
    not (fast_bfloat16(CPU) and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    reason="oneDNN has no bfloat16 instructions to use here, with which it is slow or wrong",
)


def still_needed(switch: str) -> pytest.MarkDecorator:
    """Expects a test on plain PyTorch to fail; strictly for the README's torch, so that its passing is noticed."""
    assert switch in PLAIN_OPS
    reason = f"PyTorch alone does not have it; where it has, delete what the setting plain_ops calls {switch!r}"
    return pytest.mark.xfail(raises=AssertionError, reason=reason, strict=torch.__version__.startswith(README_TORCH))


def drawn(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Normally distributed numbers."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def with_gradients(output: Tensor, *inputs: Tensor) -> list[Tensor]:
    """The output, and the gradients of its product with something by the inputs."""
    return [output.detach(), *torch.autograd.grad(output, inputs, drawn(*output.shape, dtype=output.dtype, seed=2))]


def assert_all_close(found: Iterable[Tensor], expected: Iterable[Tensor], **tolerance: float) -> None:
    """`torch.testing.assert_close` of each two."""
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **tolerance)


def error(found: Iterable[Tensor], exact: Iterable[Tensor]) -> float:
    """The largest distance between two tensors of the same place, as a share of the exact one's norm; inf for NaN."""
    shares = [float((ours.double() - true).norm() / true.norm()) for ours, true in zip(found, exact, strict=True)]
    return max(share if share == share else float("inf") for share in shares)


def in_channels_last(layer: nn.Module) -> tuple[nn.Module, Tensor]:
    """The layer, and two images of 32 pixels for it."""
    channels = next(layer.parameters()).shape[1] * getattr(layer, "groups", 1)
    images = drawn(2, channels, 32, 32, dtype=torch.float32)
    return layer.to(memory_format=torch.channels_last), images.contiguous(memory_format=torch.channels_last)


def weight_gradients(layer: nn.Module, images: Tensor, precision: str, plain: Collection[str] = ()) -> list[Tensor]:
    """The gradients of the output's product with something by the layer's weights, in mixed precision if asked.

    What `plain` names is left to PyTorch.
    """
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"), OperatorOverrides(plain):
        output = layer(images)
    (output.float() * drawn(*output.shape, dtype=torch.float32, seed=3)).sum().backward()
    return [parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None]


def skip_without_the_bug(plain_error: float, bound: float) -> None:
    """Skips where PyTorch alone is within the bound too: a test of the fix would pass without it."""
    if plain_error < bound:
        pytest.skip("PyTorch's own gradient is right here, so nothing is shown")


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.executed: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [str(each.dtype) if isinstance(each, Tensor) else str(each) for each in args]
        self.executed.append((str(func), *given))
        return func(*args, **(kwargs or {}))


def executed(
    function: Callable[[], Tensor], inputs: Iterable[Tensor], context: AbstractContextManager[object] | None = None
) -> list[tuple[Any, ...]]:
    """The ATen operations of a function and of its gradients by inputs, with what they are given, tensors by type."""
    with _Recorder() as recorder:
        with context or nullcontext():
            output = function()
        if output.requires_grad:
            torch.autograd.grad(output.sum(), [each for each in inputs if each.requires_grad])
    return recorder.executed


def convolutions(operations: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    """The type and the dilation of each convolution and its gradient among executed operations."""
    forward = [(given[1], given[6]) for given in operations if given[0] == "aten.convolution.default"]
    backward = [(given[1], given[7]) for given in operations if given[0] == "aten.convolution_backward.default"]
    return forward + backward


def targets_of_compiled(layer: nn.Module, images: Tensor) -> list[object]:
    """The functions that a compiler is given of a layer."""
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()  # the layers of one class share a limit of compilations
    torch.compile(layer, backend=keep)(images)
    assert len(graphs) == 1
    return [node.target for node in graphs[0].graph.nodes]
